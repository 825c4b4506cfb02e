"""Distances to a bank against SciPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from gaussft_jax.memory import nearest_distance, neighbour_weight, squared_distances


def _rows(rng, n, d, offset=0.0):
    return (rng.normal(size=(n, d)) + offset).astype(np.float32)


@pytest.mark.parametrize(("m", "k", "d"), [(1, 1, 3), (50, 60, 152), (2048, 1030, 8), (2100, 1, 4)])
def test_the_nearest_distance_is_scipys(rng, m, k, d):
    queries, bank = _rows(rng, m, d), _rows(rng, k, d)
    result = nearest_distance(jnp.asarray(queries), jnp.asarray(bank))
    assert result.dtype == jnp.float32
    expected = KDTree(bank.astype(np.float64)).query(queries.astype(np.float64))[0]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-3)


def test_features_far_from_the_origin_keep_their_distances(rng):
    queries, bank = _rows(rng, 100, 16, 1e4), _rows(rng, 200, 16, 1e4)
    result = nearest_distance(jnp.asarray(queries), jnp.asarray(bank))
    expected = cdist(queries.astype(np.float64), bank.astype(np.float64)).min(1)
    np.testing.assert_allclose(result, expected, rtol=1e-3)


def test_a_row_of_the_bank_is_near_and_its_gradient_finite(rng):
    bank = jnp.asarray(_rows(rng, 100, 16))
    value, gradient = jax.value_and_grad(lambda x: nearest_distance(x, bank).sum())(bank[:5])
    assert 0 <= value < 5 * 4e-3 and np.isfinite(gradient).all()


def test_the_squared_distances_are_those_of_all_pairs(rng):
    a, b = _rows(rng, 30, 7), _rows(rng, 40, 7)
    expected = cdist(a.astype(np.float64), b.astype(np.float64), "sqeuclidean")
    result = squared_distances(jnp.asarray(a), jnp.asarray(b))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("neighbours", [1, 2, 9, 500])
def test_the_weight_is_that_of_the_paper(rng, neighbours):
    queries, bank = _rows(rng, 20, 6), _rows(rng, 200, 6)
    result = neighbour_weight(jnp.asarray(queries), jnp.asarray(bank), neighbours)
    q, m = queries.astype(np.float64), bank.astype(np.float64)
    for query, weight in zip(q, np.asarray(result), strict=True):
        distances = np.linalg.norm(m - query, axis=1)
        nearest = m[distances.argmin()]
        around = np.argsort(np.linalg.norm(m - nearest, axis=1))[:neighbours]
        expected = 1 - np.exp(distances.min()) / np.exp(distances[around]).sum()
        assert weight == pytest.approx(expected, abs=1e-4)


def test_the_weight_of_large_distances_is_finite(rng):
    queries, bank = jnp.asarray(_rows(rng, 5, 6, 1e3)), jnp.asarray(_rows(rng, 50, 6)) * 1e4
    weight = neighbour_weight(queries, bank, 9)
    assert np.isfinite(weight).all() and (weight >= 0).all() and (weight <= 1).all()


def test_a_repeated_nearest_row_counts_as_often():
    bank = jnp.asarray(np.float32([[5, 5], [0, 0], [0, 0], [9, 9]]))
    weight = neighbour_weight(jnp.asarray(np.float32([[0, 1]])), bank, 2)
    np.testing.assert_allclose(weight, [0.5], rtol=1e-6)
