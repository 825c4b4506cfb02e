"""F1 and IoU of masks against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from gaussft_jax.evaluation import Undefined, overlap


@pytest.mark.parametrize("threshold", [-1.0, 2.0, 5.0, 8.0])
def test_agrees_with_scikit_learn(rng, threshold):
    masks = rng.random((4, 8, 8)) < 0.3
    maps = rng.integers(0, 9, masks.shape).astype(np.float32)
    pair = masks.ravel(), (maps > threshold).ravel()
    found = overlap(maps, masks, threshold)
    assert found == pytest.approx((f1_score(*pair), jaccard_score(*pair)))


def test_without_defective_pixels_it_is_undefined():
    with pytest.raises(Undefined, match="no defective pixel"):
        overlap(np.ones((1, 2, 2), np.float32), np.zeros((1, 2, 2), bool), 0.5)
