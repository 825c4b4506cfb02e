import json

import jax
import numpy as np
import pytest

from gaussft_jax.backbones import load_backbone
from gaussft_jax.data import folds
from gaussft_jax.export import export_detector
from gaussft_jax.gaussian import anomaly_map
from gaussft_jax.models import Detector
from gaussft_jax.training import GUARDED


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(1)
    return rng.integers(80, 160, (12, 64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["tied", "global"])
def test_save_and_load_change_nothing(photographs, tmp_path, kind):
    detector = Detector.fit(photographs[:9], kind=kind)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert not loaded.tuned
    assert loaded.kind == kind
    jax.tree.map(np.testing.assert_array_equal, detector.models, loaded.models)
    for a, b in zip(
        detector.predict(photographs[9:]), loaded.predict(photographs[9:]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_no_images_are_refused(photographs):
    with pytest.raises(ValueError, match="no images to fit"):
        Detector.fit(photographs[:0])


def test_a_defect_scores_higher(photographs):
    detector = Detector.fit(photographs[:9], calibrate="none")
    spoilt = photographs[9:].copy()
    spoilt[:, 20:40, 20:40] = 0
    good, bad = detector.predict(photographs[9:]), detector.predict(spoilt)
    assert bad.scores.min() > good.scores.max()
    risen = bad.maps - good.maps
    assert risen[:, 24:36, 24:36].min() > 1.2 * risen[:, :8, :8].max()


def test_held_out_images_are_judged_by_the_model_that_never_saw_them(photographs):
    split = Detector.fit(photographs, calibrate="split")
    training, held_out = folds(12)[0]
    whole = Detector.fit(photographs[training], calibrate="none")
    assert whole.calibration is None
    assert whole.predict(photographs).p_values is None
    expected = whole.predict(photographs[held_out])
    np.testing.assert_allclose(split.calibration.scores[0], expected.scores, rtol=1e-5)
    np.testing.assert_allclose(split.calibration.peaks, expected.maps.max((1, 2)), rtol=1e-5)
    predicted = split.predict(photographs)
    above = (split.calibration.scores[0][:, None] >= predicted.scores).sum(0)
    np.testing.assert_allclose(predicted.p_values, (1 + above) / (1 + len(held_out)))


def test_across_folds_scores_are_the_mean_of_the_models(photographs):
    cross = Detector.fit(photographs[:10], calibrate="cross")
    alone = [cross._replace(models=(model,), calibration=None) for model in cross.models]
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


def test_a_tuned_detector_keeps_its_weights(photographs, tmp_path):
    recipe = GUARDED._replace(stopping="fixed", max_epochs=2)
    detector = Detector.tune(photographs, tmp_path / "checkpoints", recipe)
    frozen = load_backbone("efficientnet-lite0")[1]
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), detector.variables, frozen)
    assert max(jax.tree.leaves(moved["params"])) > 0
    assert max(jax.tree.leaves(moved["batch_stats"])) == 0
    assert len(detector.calibration.peaks) == 3
    np.testing.assert_allclose(np.mean(detector.weights), 1, rtol=1e-5)
    assert np.ptp(detector.weights) > 0.01
    predicted = detector.predict(photographs)
    unweighed = detector._replace(weights=None).predict(photographs)
    assert not np.allclose(predicted.scores, unweighed.scores, rtol=1e-3)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.tuned
    for a, b in zip(predicted, loaded.predict(photographs), strict=True):
        np.testing.assert_array_equal(a, b)
    others = Detector.tune(photographs[::-1], tmp_path / "checkpoints", recipe)
    Detector.tune(photographs, tmp_path / "checkpoints", recipe, aggregation="mean")
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    assert not np.array_equal(others.models[0][0].mean, detector.models[0][0].mean)
    with pytest.raises(ValueError, match="at least 10 good images, there are 9"):
        Detector.tune(photographs[:9], tmp_path / "checkpoints")


@pytest.mark.parametrize("calibrate", ["cross", "none"])
def test_the_exported_program_equals_the_detector(photographs, calibrate):
    detector = Detector.fit(photographs[:10], calibrate=calibrate)
    program = jax.export.deserialize(export_detector(detector))
    for n in (1, 2):
        predicted = [x for x in detector.predict(photographs[10 : 10 + n]) if x is not None]
        exported = program.call(photographs[10 : 10 + n])
        for ours, theirs in zip(predicted, exported, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-5)


def test_a_damaged_or_later_detector_is_refused(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="no detector"):
        Detector.load(tmp_path)
    folder = tmp_path / "model"
    Detector.fit(photographs[:4]).save(folder)
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
