"""Frozen baselines against independent computations in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

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


@pytest.mark.parametrize("nu", [0.1, 0.5])
def test_one_class_svm(levels, nu):
    training, queries = levels(15), levels(4)
    method = methods.create("ocsvm", ocsvm_nu=nu)
    maps = method.level_maps(method.fit(_batches(training)), _device(queries))
    x, q = (
        np.concatenate([level.mean((1, 2), dtype=np.float64) for level in of], 1)
        for of in (training, queries)
    )
    scaler = StandardScaler().fit(x)
    fitted = OneClassSVM(nu=nu, gamma=1 / x.shape[1]).fit(scaler.transform(x))
    expected = -fitted.decision_function(scaler.transform(q))
    assert maps[0].shape == (4, 1, 1) and len(maps) == 1
    np.testing.assert_allclose(maps[0][:, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_a_constant_feature_does_not_count_in_the_svm(levels):
    training, queries = levels(15), levels(4)
    constant = np.full((15, 2, 2, 3), 0.1, np.float32)
    method = methods.OneClassSVM()
    fitted = method.fit(_batches((*training, constant)))
    maps = method.level_maps(fitted, _device((*queries, constant[:4] + 0.01)))
    assert np.isfinite(maps[0]).all() and (fitted.scaling.std[-3:] == 1).all()


def test_the_share_outside_is_above_0(levels):
    with pytest.raises(ValueError, match="ocsvm_nu=0"):
        methods.OneClassSVM(0.0)


def test_hsc_is_equation_2_on_pooled_features(levels):
    training, queries = levels(15), levels(4)
    method = methods.HSC()
    centres = method.fit(_batches(training))
    maps = method.level_maps(centres, _device(queries))
    masks = jnp.zeros((4, 32, 32), bool).at[2:, 3, 5].set(True)
    expected = []
    for level, x, q in zip(maps, training, queries, strict=True):
        x, q = (of.mean((1, 2), dtype=np.float64) for of in (x, q))
        distance = np.sqrt(np.square(q - x.mean(0)).sum(1) + 1) - 1
        np.testing.assert_allclose(level[:, 0, 0], distance, rtol=1e-4)
        anomalous = -np.log(1 - np.exp(-distance))
        expected.append(np.where([False, False, True, True], anomalous, distance))
    np.testing.assert_allclose(method.loss(maps, masks), np.mean(expected, 0), rtol=1e-3)
