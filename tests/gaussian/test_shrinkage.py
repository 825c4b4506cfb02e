import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from gaussft_jax import gaussian as g


def _residual_moments(rows):
    centred = rows - rows.mean(0)
    return g.Residuals(
        np.float64(len(rows)), centred.T @ centred, (np.square(centred).sum(1) ** 2).sum()
    )


def _check(rows):
    covariance, shrinkage = g.ledoit_wolf(_residual_moments(rows))
    oracle = LedoitWolf(assume_centered=False).fit(rows)
    np.testing.assert_allclose(shrinkage, oracle.shrinkage_, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(
        covariance, oracle.covariance_, rtol=1e-6, atol=1e-6 * np.abs(oracle.covariance_).max()
    )


@pytest.mark.parametrize(("n", "p"), [(500, 20), (40, 40), (12, 60), (2, 7), (30, 1)])
def test_equals_scikit_learn(rng, n, p):
    _check(rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 10 * rng.normal(size=p))


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 30), p=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_equals_scikit_learn_at_any_shape(n, p, seed):
    rng = np.random.default_rng(seed)
    _check(rng.normal(size=(n, p)) * np.exp(rng.normal(size=p)))


def test_constant_feature(rng):
    rows = rng.normal(size=(50, 4))
    rows[:, 2] = 3.0
    _check(rows)
    covariance, _ = g.ledoit_wolf(_residual_moments(rows))
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_local_covariances_are_shrunk_one_by_one(rng):
    rows = rng.normal(size=(9, 2, 3, 5))
    centred = rows - rows.mean(0)
    moments = g.Residuals(
        np.float64(9),
        np.einsum("nhwc,nhwd->hwcd", centred, centred),
        (np.square(centred).sum(-1) ** 2).sum(0),
    )
    covariance, shrinkage = g.ledoit_wolf(moments)
    for h in range(2):
        for w in range(3):
            oracle = LedoitWolf().fit(rows[:, h, w])
            np.testing.assert_allclose(shrinkage[h, w], oracle.shrinkage_, rtol=1e-6)
            np.testing.assert_allclose(covariance[h, w], oracle.covariance_, rtol=1e-6, atol=1e-9)
