import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import drawn
from sklearn.metrics import roc_auc_score

from gaussft_jax import training
from gaussft_jax.vicinity import vicinity


@pytest.mark.parametrize("size", [5, 100, 5000])
def test_auroc_equals_scikit_learn_with_ties(rng, size):
    scores = rng.integers(0, max(3, size // 4), size).astype(np.float32)
    anomalous = rng.random(size) < 0.7
    anomalous[:2] = True, False
    expected = roc_auc_score(anomalous, scores)
    area = training.vicinity_auroc(jnp.asarray(scores), jnp.asarray(anomalous))
    np.testing.assert_allclose(area, expected, rtol=1e-6)


def test_draws(stripes):
    draws = drawn(jax.random.key(1), stripes, vicinity("cutout"), 13, 0.7)
    known = {image.tobytes() for image in stripes}
    unchanged = np.array([np.asarray(image).tobytes() in known for image in draws.images])
    anomalous = np.asarray(draws.anomalous)
    assert unchanged[~anomalous].all()
    assert not unchanged[anomalous].any()
    assert abs(anomalous.mean() - 0.7) < 4 * (0.7 * 0.3 / len(anomalous)) ** 0.5
    again = drawn(jax.random.key(1), stripes, vicinity("cutout"), 13, 0.7)
    np.testing.assert_array_equal(draws.images, again.images)


@pytest.mark.parametrize("augmented", [1e-6, 1 - 1e-6])
def test_few_draws_are_of_both_kinds(stripes, augmented):
    """Else no AUROC exists, and training would idle until its patience is spent."""
    for seed in range(3):
        draws = drawn(jax.random.key(seed), stripes[:1], vicinity("cutout"), 2, augmented)
        assert sorted(np.asarray(draws.anomalous).tolist()) == [False, True]
