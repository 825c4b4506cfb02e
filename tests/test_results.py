"""What is measured of a detector beside the figures of its scores and maps."""

import json

import numpy as np
import pytest
from networks import SMALL
from sklearn.metrics import f1_score, jaccard_score

from gaussft_jax.detector import Detector
from gaussft_jax.results import measure


@pytest.fixture(scope="module")
def detector(small_network):
    rng = np.random.default_rng(1)
    good = rng.integers(80, 160, (12, 64, 64, 3)).astype(np.uint8)
    return Detector.fit(good, "gaussian", *SMALL)


@pytest.fixture
def tests(rng):
    images = rng.integers(80, 160, (5, 64, 64, 3)).astype(np.uint8)
    masks = np.zeros((5, 64, 64), bool)
    masks[2:, 20:44, 20:44] = True
    images[masks] //= 2
    labels = ["good", "good", "hole", "hole", "hole"]
    return images, [f"{label}/{i}.png" for i, label in enumerate(labels)], labels, masks


def test_masks_at_the_detector_s_own_threshold(detector, tests):
    measured = measure(detector, *tests)
    rows = measured.metrics["alpha"]
    assert [row["alpha"] for row in rows] == [0.01, 0.05, 0.1]
    # Twelve held-out images tell no rate below 1 / 13.
    for row in rows[:2]:
        assert row["pixel_threshold"] is row["mask_f1"] is row["mask_iou"] is None
        reason = measured.notes[f"alpha.{row['alpha']}.mask_f1"]
        assert reason.startswith(f"a false-alarm rate of {row['alpha']} needs")
    assert rows[2]["pixel_threshold"] == detector.pixel_threshold(0.1)
    pair = tests[3].ravel(), (measured.scored.maps > detector.pixel_threshold(0.1)).ravel()
    assert rows[2]["mask_f1"] == pytest.approx(f1_score(*pair))
    assert rows[2]["mask_iou"] == pytest.approx(jaccard_score(*pair))
    low, high = measured.metrics["interval"]["pixel_auroc"]
    assert low <= measured.metrics["pixel_auroc"] <= high
    json.dumps([measured.metrics, measured.notes], allow_nan=False)


def test_without_masks_the_threshold_remains(detector, tests):
    measured = measure(detector, *tests[:3], None)
    row = measured.metrics["alpha"][2]
    assert row["pixel_threshold"] == detector.pixel_threshold(0.1)
    assert row["mask_f1"] is row["mask_iou"] is None
    names = {name for name, reason in measured.notes.items() if reason == "no masks"}
    assert {"alpha.0.1.mask_f1", "alpha.0.1.mask_iou", "interval.pixel_auroc"} <= names
    assert "alpha.0.1.pixel_threshold" not in measured.notes
