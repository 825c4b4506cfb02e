import json

import jax
import numpy as np
import pytest
from networks import FLAGS, SMALL, small

from gaussft_jax import cli, methods
from gaussft_jax.backbones import LevelStore, create, load_backbone
from gaussft_jax.deployment import export_stablehlo
from gaussft_jax.detector import Detector
from gaussft_jax.detector.detector import _parts
from gaussft_jax.detector.set_up import affordable, choose
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import GUARDED

pytestmark = pytest.mark.usefixtures("small_network")
LITE0 = create("efficientnet-lite0")


@pytest.fixture(scope="module")
def alike():
    """Noisy horizontal stripes of any phase, uint8 [30 64 64 3]."""
    rng = np.random.default_rng(4)
    phases = rng.uniform(0, 2 * np.pi, (30, 1, 1, 1))
    waves = 120 + 40 * np.sin(2 * np.pi * np.arange(64)[:, None, None] / 6 + phases)
    return (waves + rng.normal(scale=8, size=(30, 64, 64, 3))).clip(0, 255).astype(np.uint8)


def test_a_larger_budget_buys_larger_images_then_larger_banks():
    chosen = [
        affordable(LITE0, budget, 5)[0] for budget in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 99.0)
    ]
    keys = [(candidate.image_size, candidate.bank) for candidate in chosen]
    assert keys == sorted(keys)
    assert keys[0] == (224, 1024) and keys[-1] == (448, 2048)
    for budget, candidate in zip((2, 3, 4, 6, 9, 99), chosen[2:], strict=True):
        assert candidate.cost <= budget
    # One model leaves more for the images than five.
    assert affordable(LITE0, 3.0, 1)[0].cost <= 3
    assert affordable(LITE0, 3.0, 1)[0][:2] > affordable(LITE0, 3.0, 5)[0][:2]
    # A size that is given is kept, whatever it costs.
    assert affordable(LITE0, 3.0, 5, image_size=640)[0].image_size == 640


def test_cost_counts_the_products():
    """Of Lite0's published 407 million multiply-adds, the classifier left out; others by hand."""
    chosen, candidates = affordable(LITE0, 99.0, 1)
    levels = [(32, 2), (16, 2), (24, 4), (40, 8), (80, 16), (112, 16), (192, 32), (320, 32),
              (1280, 32)]  # fmt: skip
    network = 0.394e9

    def gaussians(size):
        return sum((size / stride) ** 2 * c**2 for c, stride in levels)

    def patches(size, bank):
        return (size / 8) ** 2 * bank * (40 + 112)

    pooled = sum(c**2 for c, _ in levels)
    paper = network + gaussians(224) / 2
    for size, bank, cost in candidates:
        own = network * (size / 224) ** 2
        own += (gaussians(size) + pooled + patches(size, bank)) / 2
        assert cost == pytest.approx(own / paper, rel=0.02)
    assert chosen == candidates[0]


def test_parts_in_any_direction_are_noticed(alike, tmp_path):
    store = LevelStore(tmp_path)  # the turned images are among those that are turned to choose
    variables = load_backbone("efficientnet-lite0")[1]
    plan = choose(LITE0, variables, alike, 3.0, 5, store=store)
    assert not plan.any_direction
    assert [member.name for member in plan.method.members] == [
        "gaussian", "gaussian_ad", "patchcore"
    ]  # fmt: skip
    assert "presented alike" in plan.record["why"][1]
    turned = np.stack([np.rot90(image, i % 4) for i, image in enumerate(alike)])
    plan = choose(LITE0, variables, turned, 3.0, 5, store=store)
    assert plan.any_direction
    assert [member.name for member in plan.method.members] == ["gaussian_ad", "patchcore"]
    assert max(plan.record["turned"].values()) < 0.75
    assert "any direction" in plan.record["why"][1]


def test_a_part_that_lies_in_any_direction_is_fitted_to_in_all(alike, tmp_path):
    turned = np.stack([np.rot90(image, i % 4) for i, image in enumerate(alike)])
    detector = Detector.fit(turned[:26], calibrate="none")
    assert detector.set_up["any_direction"]
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.set_up == json.loads(json.dumps(detector.set_up))
    spoilt = turned[26:].copy()
    spoilt[:, 24:40, 24:40] = 128
    good, bad = detector.predict(turned[26:]), loaded.predict(spoilt)
    assert bad.scores.min() > good.scores.max()
    assert bad.maps[:, 28:36, 28:36].mean() > 2 * bad.maps[:, :12, :12].mean()


@pytest.mark.slow
def test_another_family_of_networks_is_set_up_saved_and_exported(alike, tmp_path):
    detector = Detector.fit(alike[:26], backbone="resnet18", weights="random", calibrate="none")
    assert detector.method.name == "ensemble" and not detector.set_up["any_direction"]
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    expected = detector.predict(alike[26:])
    found = loaded.predict(alike[26:])
    np.testing.assert_array_equal(found.scores, expected.scores)
    exported = jax.export.deserialize(bytearray(export_stablehlo(loaded, ("cpu",))))
    scores, maps = exported.call(alike[26:])
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(maps, expected.maps, rtol=1e-3, atol=1e-4)


def test_few_images_make_a_bank_alone(alike):
    detector = Detector.fit(alike[:12], "auto", *SMALL)
    assert detector.method.name == "patchcore"
    assert "there are 12" in " ".join(detector.set_up["why"])


def test_what_calibrates_one_model_has_no_say_in_its_set_up(alike, monkeypatch):
    seen = []
    module = "gaussft_jax.detector.detector"
    monkeypatch.setattr(f"{module}.choose", lambda *given: seen.append(given[2]) or _Stop.now())
    for calibrate, count in (("split", 24), ("none", 30), ("cross", 30)):
        with pytest.raises(_Stop):
            Detector.fit(alike, calibrate=calibrate)
        assert len(seen.pop()) == count


class _Stop(Exception):
    @classmethod
    def now(cls):
        raise cls


@pytest.mark.usefixtures("cutout")
def test_the_network_is_tuned_to_the_member_that_has_a_loss(alike):
    """Its references stay those of the pre-trained features, as the paper says."""
    recipe = GUARDED._replace(max_epochs=1, batch_size=4, draws_per_image=1)
    images = np.concatenate([alike, alike[:, ::-1]])
    detector = Detector.fit(images, "auto", *SMALL, recipe=recipe)
    assert detector.tuned and detector.level_weights is None
    gaussian = detector.method.members[0]
    training, _, held_out = (images[part] for part in _parts(60, "split", True)[0])
    backbone, variables = small()
    scorer = Scorer(backbone, gaussian)
    references = scorer.fit(variables, training)
    jax.tree.map(np.testing.assert_array_equal, detector.models[0][0][0], references)
    assert len(detector.calibration.peaks) == len(held_out) == 12
    assert np.isfinite(detector.predict(held_out).scores).all()


def test_what_cannot_be_tuned_says_so(alike, tiny):
    turned = np.stack([np.rot90(image, i % 4) for i, image in enumerate(alike)])
    with pytest.raises(ValueError, match="the parts lie in any direction"):
        choose(*tiny, turned, 3.0, 1, tuned=True)
    with pytest.raises(ValueError, match="the method ensemble has no loss to tune to"):
        Detector.fit(alike, "ensemble", ensemble_members="padim,patchcore", recipe=GUARDED)


def test_auto_takes_no_options(alike):
    with pytest.raises(ValueError, match="options gaussian belong to a method given by its name"):
        Detector.fit(alike, gaussian="tied")
    given = methods.create("padim")
    with pytest.raises(ValueError, match="options padim_seed belong to a method given by its name"):
        Detector.fit(alike, given, padim_seed=1)


def test_fit_says_what_it_chose(alike, tmp_path, capsys):
    from PIL import Image

    for part, images in (("train/good", alike[:25]), ("test/good", alike[25:])):
        (tmp_path / "parts" / part).mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / "parts" / part / f"{i}.png")
    (tmp_path / "parts" / "test" / "hole").mkdir()
    for i, image in enumerate(alike[25:].copy()):
        image[20:40, 20:40] = 0
        Image.fromarray(image).save(tmp_path / "parts" / "test" / "hole" / f"{i}.png")
    parts, model = str(tmp_path / "parts"), tmp_path / "model"
    command = ["fit", parts, "--out", str(model), "--size=64", *FLAGS]
    assert cli.main([*command, "--test", parts]) == 0
    said = capsys.readouterr().out
    results = json.loads((model / "evaluation" / "results.json").read_text("utf-8"))
    described = json.loads((model / "detector.json").read_text("utf-8"))
    assert results["method"] == described["method"] == "ensemble"
    assert results["set_up"] == described["set_up"]
    report = (model / "evaluation" / "report.html").read_text("utf-8")
    assert "Why this set-up" in report
    for sentence in described["set_up"]["why"]:
        assert sentence in said
    assert results["mean"]["image_auroc"] > 0.9
    assert cli.main([*command, "--gaussian=global"]) == 1
    assert (
        "--gaussian belongs to a method (gaussian): name it by --method" in capsys.readouterr().err
    )
