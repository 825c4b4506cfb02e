"""Frozen baselines against independent computations in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from gaussft_jax import methods

SIZES = (16, 16, 8, 4, 2, 1)
CHANNELS = (2, 3, 4, 5, 6, 7)


@pytest.fixture
def levels(rng):
    """A function that draws the levels of n images, six levels of five resolutions."""
    mixing = [rng.normal(size=(c, c)) for c in CHANNELS]

    def draw(n):
        return tuple(
            (rng.normal(size=(n, s, s, c)) @ m + 3).astype(np.float32)
            for s, c, m in zip(SIZES, CHANNELS, mixing, strict=True)
        )

    return draw


def _batches(levels):
    """Two batches, the second filled up with an image of huge values."""
    first = tuple(jnp.asarray(level[:8]) for level in levels)
    rest = tuple(
        jnp.concatenate([level[8:], np.full_like(level[: 16 - len(level)], 1e3)])
        for level in levels
    )
    valid = np.arange(8) < len(levels[0]) - 8
    return lambda: iter([(first, np.ones(8, bool)), (rest, valid)])


def _device(levels):
    return tuple(map(jnp.asarray, levels))


def _pyramid(levels):
    repeat = lambda x, k: x.repeat(k, 1).repeat(k, 2)
    parts = [repeat(levels[i].astype(np.float64), k) for i, k in ((2, 1), (3, 2), (4, 4))]
    return np.concatenate(parts, -1)


def test_gaussian_ad(levels):
    training, queries = levels(15), levels(4)
    method = methods.GaussianAD()
    maps = method.level_maps(method.fit(_batches(training)), _device(queries))
    for level, x, q in zip(maps, training, queries, strict=True):
        fitted = LedoitWolf().fit(x.mean((1, 2), dtype=np.float64))
        expected = np.sqrt(fitted.mahalanobis(q.mean((1, 2), dtype=np.float64)))
        np.testing.assert_allclose(level[:, 0, 0], expected, rtol=1e-3)


@pytest.mark.parametrize("channels", [100, 7])
def test_padim(levels, channels):
    training, queries = levels(15), levels(4)
    method = methods.PaDiM(channels=channels)
    (result,) = method.level_maps(method.fit(_batches(training)), _device(queries))
    x, q = _pyramid(training), _pyramid(queries)
    kept = np.sort(np.random.default_rng(0).permutation(15)[:channels])
    x, q = x[..., kept], q[..., kept]
    expected = np.empty(q.shape[:3])
    for h, w in np.ndindex(8, 8):
        precision = np.linalg.inv(np.cov(x[:, h, w].T) + 0.01 * np.eye(len(kept)))
        r = q[:, h, w] - x[:, h, w].mean(0)
        expected[:, h, w] = np.sqrt(np.einsum("nc,cd,nd->n", r, precision, r))
    expected = gaussian_filter(expected, 1.0, axes=(1, 2))
    np.testing.assert_allclose(result, expected, rtol=1e-3)


@pytest.mark.parametrize("neighbours", [50, 3])
def test_spade(levels, neighbours):
    training, queries = levels(15), levels(4)
    method = methods.SPADE(neighbours)
    gallery = method.fit(_batches(training))
    pooled, asked = (x[-1].mean((1, 2), dtype=np.float64) for x in (training, queries))
    finder = NearestNeighbors(n_neighbors=min(neighbours, 15)).fit(pooled)
    distances, nearest = finder.kneighbors(asked)
    maps = method.level_maps(gallery, _device(queries))
    scores = method.level_scores(gallery, _device(queries), maps)
    np.testing.assert_allclose(scores[:, 0], distances.mean(1), rtol=1e-3)

    x, q = _pyramid(training), _pyramid(queries)
    expected = np.empty((4, 8, 8))
    for n in range(4):
        features = x[nearest[n]].reshape(-1, x.shape[-1])
        found, _ = NearestNeighbors(n_neighbors=1).fit(features).kneighbors(q[n].reshape(64, -1))
        expected[n] = found.reshape(8, 8)
    expected = gaussian_filter(expected, 1.0, axes=(1, 2))
    np.testing.assert_allclose(maps[0], expected, rtol=2e-3)
