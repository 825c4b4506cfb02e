import json

import jax
import numpy as np
import pytest

from gaussft_jax.models import Detector


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(1)
    return rng.integers(80, 160, (12, 64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["tied", "global"])
def test_save_and_load_change_nothing(photographs, tmp_path, kind):
    detector = Detector.fit(photographs[:9], kind=kind)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    jax.tree.map(np.testing.assert_array_equal, tuple(detector.gaussians), tuple(loaded.gaussians))
    for a, b in zip(
        detector.predict(photographs[9:]), loaded.predict(photographs[9:]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_defect_scores_higher(photographs, tmp_path):
    detector = Detector.fit(photographs[:9])
    spoilt = photographs[9:].copy()
    spoilt[:, 20:40, 20:40] = 0
    good, maps_before = detector.predict(photographs[9:])
    bad, maps_after = detector.predict(spoilt)
    assert bad.min() > good.max()
    risen = maps_after - maps_before
    assert risen[:, 24:36, 24:36].min() > 1.2 * risen[:, :8, :8].max()


def test_a_damaged_or_later_detector_is_refused(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="no detector"):
        Detector.load(tmp_path)
    folder = tmp_path / "model"
    Detector.fit(photographs[:4]).save(folder)
    description = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps({**description, "schema": 2}))
    with pytest.raises(ValueError, match="update gaussft_jax"):
        Detector.load(folder)
    (folder / "detector.json").write_text(json.dumps(description))
    with (folder / "arrays.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(ValueError, match="was changed"):
        Detector.load(folder)
