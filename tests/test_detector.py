import dataclasses
import json

import jax
import numpy as np
import pytest
from networks import LEVELS, SMALL

from gaussft_jax import methods
from gaussft_jax.arrays import load_arrays, save_arrays
from gaussft_jax.backbones import load_backbone
from gaussft_jax.data import folds
from gaussft_jax.deployment import export_stablehlo
from gaussft_jax.detector import Detector, fit_model
from gaussft_jax.gaussian import anomaly_map
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import GUARDED, Recipe, Task, Tuner
from gaussft_jax.vicinity import vicinity

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(1)
    return rng.integers(80, 160, (12, 64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["tied", "global", "local"])
def test_save_and_load_change_nothing(photographs, tmp_path, kind):
    detector = Detector.fit(photographs[:9], "gaussian", *SMALL, gaussian=kind)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert not loaded.tuned
    assert loaded.options == {"gaussian": kind, "aggregation": "max"}
    jax.tree.map(np.testing.assert_array_equal, detector.models, loaded.models)
    for a, b in zip(
        detector.predict(photographs[9:]), loaded.predict(photographs[9:]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_no_images_are_refused(photographs):
    with pytest.raises(ValueError, match="there are no images"):
        Detector.fit(photographs[:0])


def test_a_defect_scores_higher(photographs):
    detector = Detector.fit(photographs[:9], "gaussian", *SMALL, calibrate="none")
    spoilt = photographs[9:].copy()
    spoilt[:, 20:40, 20:40] = 0
    good, bad = detector.predict(photographs[9:]), detector.predict(spoilt)
    assert bad.scores.min() > good.scores.max()
    risen = bad.maps - good.maps
    assert risen[:, 24:36, 24:36].min() > 1.2 * risen[:, :8, :8].max()


def test_held_out_images_are_judged_by_the_model_that_never_saw_them(photographs):
    split = Detector.fit(photographs, "gaussian", *SMALL, calibrate="split")
    training, held_out = folds(12)[0]
    whole = Detector.fit(photographs[training], "gaussian", *SMALL, calibrate="none")
    assert whole.calibration is None
    assert whole.predict(photographs).p_values is None
    expected = whole.predict(photographs[held_out])
    np.testing.assert_allclose(split.calibration.scores[0], expected.scores, rtol=1e-5)
    np.testing.assert_allclose(split.calibration.peaks, expected.maps.max((1, 2)), rtol=1e-5)
    predicted = split.predict(photographs)
    above = (split.calibration.scores[0][:, None] >= predicted.scores).sum(0)
    np.testing.assert_allclose(predicted.p_values, (1 + above) / (1 + len(held_out)))


def test_across_folds_scores_are_the_mean_of_the_models(photographs):
    cross = Detector.fit(photographs[:10], "gaussian", *SMALL, calibrate="cross")
    alone = [
        dataclasses.replace(cross, models=(model,), calibration=None) for model in cross.models
    ]
    by_model = [detector.predict(photographs[10:]) for detector in alone]
    together = cross.predict(photographs[10:])
    np.testing.assert_allclose(together.scores, np.mean([p.scores for p in by_model], 0), rtol=1e-5)
    np.testing.assert_allclose(together.maps, np.mean([p.maps for p in by_model], 0), rtol=1e-5)
    above = sum(
        (held_out[:, None] >= p.scores).sum(0)
        for held_out, p in zip(cross.calibration.scores, by_model, strict=True)
    )
    np.testing.assert_allclose(together.p_values, (1 + above) / 11)
    rate = float(together.p_values.max())
    assert together.defective(rate).all() and not together.defective(1 / 12).any()
    with pytest.raises(ValueError, match="not calibrated"):
        by_model[0].defective(rate)
    maps = anomaly_map(cross.level_maps(photographs[10:]), 64)
    np.testing.assert_allclose(maps, together.maps, rtol=1e-5)
    spoilt = photographs[10:].copy()
    spoilt[:, 20:40, 20:40] = 0
    assert cross.predict(spoilt).p_values.tolist() == [1 / 11] * 2


@pytest.mark.usefixtures("cutout")
def test_a_tuned_detector_keeps_its_weights(photographs, tmp_path):
    recipe = GUARDED._replace(stopping="fixed", max_epochs=2)
    tuning = {"recipe": recipe, "folder": tmp_path / "checkpoints"}
    detector = Detector.fit(photographs, "gaussian", *SMALL, **tuning)
    frozen = load_backbone(*SMALL)[1]
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), detector.variables, frozen)
    assert max(jax.tree.leaves(moved["params"])) > 0
    assert max(jax.tree.leaves(moved["batch_stats"])) == 0
    assert len(detector.calibration.peaks) == 3
    np.testing.assert_allclose(np.mean(detector.level_weights), 1, rtol=1e-5)
    assert np.ptp(detector.level_weights) > 0.01
    predicted = detector.predict(photographs)
    unweighed = dataclasses.replace(detector, level_weights=None).predict(photographs)
    assert not np.allclose(predicted.scores, unweighed.scores, rtol=1e-3)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.tuned
    for a, b in zip(predicted, loaded.predict(photographs), strict=True):
        np.testing.assert_array_equal(a, b)
    others = Detector.fit(photographs[::-1], "gaussian", *SMALL, **tuning)
    Detector.fit(photographs, "gaussian", *SMALL, **tuning, aggregation="mean")
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    assert not np.array_equal(others.models[0][0].mean, detector.models[0][0].mean)
    with pytest.raises(ValueError, match="at least 10 good images, there are 9"):
        Detector.fit(photographs[:9], "gaussian", *SMALL, **tuning)


@pytest.mark.parametrize("calibrate", ["cross", "none"])
def test_the_exported_program_equals_the_detector(photographs, calibrate):
    detector = Detector.fit(photographs[:10], "gaussian", *SMALL, calibrate=calibrate)
    program = jax.export.deserialize(export_stablehlo(detector))
    for n in (1, 2):
        predicted = [x for x in detector.predict(photographs[10 : 10 + n]) if x is not None]
        exported = program.call(photographs[10 : 10 + n])
        for ours, theirs in zip(predicted, exported, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-5)


def test_a_damaged_or_later_detector_is_refused(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="no detector"):
        Detector.load(tmp_path)
    folder = tmp_path / "model"
    Detector.fit(photographs[:4], "gaussian", *SMALL).save(folder)
    for above in (tmp_path, tmp_path.parent):
        with pytest.raises(FileNotFoundError, match=f"no detector; {folder} does"):
            Detector.load(above)
    description = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps({**description, "schema": 99}))
    with pytest.raises(ValueError, match="update gaussft_jax"):
        Detector.load(folder)
    (folder / "detector.json").write_text(json.dumps(description))
    with (folder / "arrays.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(ValueError, match="was changed"):
        Detector.load(folder)
    (folder / "arrays.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"arrays\.safetensors is missing: fit"):
        Detector.load(folder)
    for content in ("{", "[1]", "{}"):
        (folder / "detector.json").write_text(content)
        with pytest.raises(ValueError, match=r"detector\.json is damaged: fit the detector again"):
            Detector.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x / 255, r"not float64; these lie in 0..1: \(255 \* images\)"),
        (lambda x: x.astype(np.float32), "not float32"),
        (lambda x: x[0], r"not one of \[64, 64, 3\]: images\[None\]"),
        (lambda x: x[..., :1], r"not \[12, 64, 64, 1\]"),
        (lambda x: x[:, :50], r"not \[12, 50, 64, 3\]"),
        (lambda x: x[:0], "there are no images"),
    ],
)
def test_other_arrays_are_refused(photographs, change, message):
    detector = Detector.fit(photographs[:9], "deep_svdd", *SMALL, calibrate="none")
    for use in (Detector.fit, detector.predict, detector.level_maps):
        with pytest.raises(ValueError, match=message):
            use(change(photographs))


def test_another_size_is_refused(photographs):
    detector = Detector.fit(photographs[:9], "deep_svdd", *SMALL, calibrate="none")
    with pytest.raises(ValueError, match=r"64 x 64 pixels, these are of 32 x 32: read_images"):
        detector.predict(photographs[:, ::2, ::2])


def test_unknown_methods_and_options_are_refused(photographs):
    with pytest.raises(ValueError, match=r"unknown method 'svm'; known are: gaussian"):
        Detector.fit(photographs, "svm", *SMALL)
    with pytest.raises(ValueError, match=r"spade has no option gaussian; it has: spade_neigh"):
        Detector.fit(photographs, "spade", *SMALL, gaussian="tied")
    with pytest.raises(ValueError, match="spade_neighbours=0 is too small, it starts at 1"):
        Detector.fit(photographs, "spade", *SMALL, spade_neighbours=0)
    with pytest.raises(ValueError, match="padim has no loss to tune to"):
        Detector.fit(photographs, "padim", *SMALL, recipe=GUARDED)


def test_a_single_validation_image_has_no_spread(photographs):
    backbone, variables = load_backbone(*SMALL)
    scorer = Scorer(backbone, methods.create("deep_svdd"))
    with pytest.raises(ValueError, match="1 held-out image has no spread"):
        fit_model(scorer, variables, photographs[:4], photographs[4:5], "standardised")
    tuner = Tuner(backbone, scorer.method, vicinity("cutout"), GUARDED)
    task = Task(variables, (), photographs[:4], photographs[4:5], jax.random.key(0))
    with pytest.raises(ValueError, match="at least 2 validation images, there is 1"):
        next(tuner.states(task, "nowhere"))


def test_a_detector_of_before_there_were_methods_is_read(photographs, tmp_path):
    detector = Detector.fit(photographs[:9], "gaussian", *SMALL, calibrate="none")
    weights = np.linspace(0.5, 1.5, LEVELS, dtype=np.float32)
    detector = dataclasses.replace(detector, level_weights=weights)
    detector.save(tmp_path / "model")
    path = tmp_path / "model" / "detector.json"
    description = json.loads(path.read_text())
    arrays = load_arrays(tmp_path / "model" / "arrays.safetensors")
    arrays["weights"] = arrays.pop("level_weights")
    digest = save_arrays(tmp_path / "model" / "arrays.safetensors", arrays)
    for name in ("method", "options", "dtype"):
        del description[name]
    old = {**description, "schema": 2, "gaussian": "tied", "aggregation": "max", "sha256": digest}
    path.write_text(json.dumps(old))
    loaded = Detector.load(tmp_path / "model")
    for a, b in zip(detector.predict(photographs), loaded.predict(photographs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("cutout")
@pytest.mark.parametrize("method", ["deep_svdd", "fcdd"])
def test_other_methods_are_tuned(photographs, tmp_path, method):
    recipe = Recipe(learning_rate=1e-3, stopping="fixed", max_epochs=1, trainable="level 4")
    detector = Detector.fit(photographs, method, *SMALL, recipe=recipe)
    assert detector.tuned and len(detector.calibration.peaks) == 3
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.tuned and loaded.method == methods.create(method)
    for a, b in zip(detector.predict(photographs), loaded.predict(photographs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_weights_of_the_levels_are_exported(photographs):
    detector = Detector.fit(photographs[:9], "deep_svdd", *SMALL, calibrate="none")
    weights = np.linspace(0, 2, LEVELS, dtype=np.float32)
    weighed = dataclasses.replace(detector, level_weights=weights)
    scores, maps = jax.export.deserialize(export_stablehlo(weighed)).call(photographs)
    predicted = weighed.predict(photographs)
    np.testing.assert_allclose(scores, predicted.scores, rtol=1e-5)
    np.testing.assert_allclose(maps, predicted.maps, rtol=1e-4)
    assert not np.allclose(scores, detector.predict(photographs).scores, rtol=1e-2)
