import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from gaussft_jax import gaussian as g
from gaussft_jax.gaussian import fit, low_rank


def _fit(features, kind):
    return g.fit_gaussians(
        lambda: iter(
            [
                ((features[:4],), np.ones(4, bool)),
                ((features[4:],), np.ones(len(features) - 4, bool)),
            ]
        ),
        kind,
    )[0]


@pytest.mark.parametrize("channels", [6, 9, 30])
@pytest.mark.parametrize("kind", ["tied", "global", "local"])
def test_equals_scipy(rng, kind, channels):
    mixing = rng.normal(size=(channels, channels))
    features = (rng.normal(size=(9, 2, 3, channels)) @ mixing + 5).astype(np.float32)
    queries = (rng.normal(size=(4, 2, 3, channels)) @ mixing + 5).astype(np.float32)
    fitted = _fit(features, kind)
    assert isinstance(fitted, g.LowRankGaussian) == (kind == "local" and channels >= 9)
    distances = g.mahalanobis_map(fitted, queries)
    x = features.astype(np.float64)
    centred = x - x.mean(0)
    for n, h, w in np.ndindex(4, 2, 3):
        if kind == "local":
            rows, mean = x[:, h, w], x[:, h, w].mean(0)
        elif kind == "tied":
            rows, mean = centred.reshape(-1, channels), x[:, h, w].mean(0)
        else:
            rows, mean = x.reshape(-1, channels), x.mean((0, 1, 2))
        precision = np.linalg.inv(LedoitWolf().fit(rows).covariance_)
        expected = mahalanobis(queries[n, h, w].astype(np.float64), mean, precision)
        np.testing.assert_allclose(distances[n, h, w], expected, rtol=2e-4)


def test_low_variance_direction_decides(rng):
    """What tells these queries apart is a direction 100 times narrower than the others."""
    wide = rng.normal(size=(64, 16, 16, 3)) * 10
    narrow = wide.sum(-1, keepdims=True) + rng.normal(size=(64, 16, 16, 1)) * 0.1
    features = (np.concatenate([wide, narrow], -1) + 300).astype(np.float32)
    gaussian = _fit(features, "tied")
    off = features[:8] + np.array([0, 0, 0, 1], np.float32)
    x = features.astype(np.float64)
    covariance = LedoitWolf().fit((x - x.mean(0)).reshape(-1, 4)).covariance_
    residual = off.astype(np.float64) - x.mean(0)
    expected = np.sqrt((residual @ np.linalg.inv(covariance) * residual).sum(-1))
    np.testing.assert_allclose(g.mahalanobis_map(gaussian, off), expected, rtol=1e-3)
    assert expected.mean() > 1.2 * g.mahalanobis_map(gaussian, features[:8]).mean()


def test_identity_covariance_is_the_l2_distance(rng):
    features = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    mean = rng.normal(size=(4, 5, 6)).astype(np.float32)
    unit = g.Gaussian(mean, np.eye(6, dtype=np.float32), np.float32(0))
    expected = np.linalg.norm(features - mean, axis=-1)
    np.testing.assert_allclose(g.mahalanobis_map(unit, features), expected, rtol=1e-5)


def test_gradient_is_finite_at_the_mean():
    gaussian = g.Gaussian(jnp.ones((1, 1, 2)), jnp.eye(2), jnp.float32(0))
    gradient = jax.grad(lambda x: g.mahalanobis_map(gaussian, x).sum())(jnp.ones((1, 1, 1, 2)))
    np.testing.assert_array_equal(gradient, 0)


def test_nan_is_not_hidden():
    gaussian = g.Gaussian(jnp.zeros((1, 1, 2)), jnp.eye(2), jnp.float32(0))
    features = jnp.array([[[[jnp.nan, 1.0]]], [[[jnp.inf, 1.0]]]])
    assert not np.isfinite(g.mahalanobis_map(gaussian, features)).any()


@pytest.mark.parametrize("kind", ["tied", "local"])
def test_one_image_is_refused(rng, kind):
    one = rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=r"level 0.*at least 2 images"):
        g.fit_gaussians(lambda: iter([((one,), np.ones(1, bool))]), kind)


def test_equal_images_are_refused():
    same = np.ones((4, 2, 2, 3), np.float32)
    with pytest.raises(ValueError, match=r"level 1.*3 features from 16 rows"):
        varied = np.arange(48, dtype=np.float32).reshape(4, 2, 2, 3) ** 2
        g.fit_gaussians(lambda: iter([((varied, same), np.ones(4, bool))]), "tied")


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        g.fit_gaussians(lambda: iter(()), "tied")


def test_means(rng):
    features = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    (centre,) = g.fit_means(lambda: iter([((features,), np.array([True] * 3 + [False] * 2))]))
    np.testing.assert_allclose(centre, features[:3].mean(0), atol=1e-6)


@pytest.mark.parametrize(("kind", "channels"), [("tied", 6), ("local", 6), ("local", 30)])
def test_factors_are_computed_on_the_cpu(rng, monkeypatch, kind, channels):
    """Accelerators lack float64, or the factorisations, or both."""
    where = []

    def noting(function):
        def noted(*args):
            where.append(jax.config.jax_default_device)
            return function(*args)

        return noted

    for module, name in ((fit, "_whitening"), (low_rank, "_fit")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    features = rng.normal(size=(9, 2, 3, channels)).astype(np.float32)
    fitted = _fit(features, kind)
    assert where == [jax.devices("cpu")[0]]

    def without_cpu(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", without_cpu)
    again = _fit(features, kind)
    assert where[1:] == [jax.config.jax_default_device]
    for a, b in zip(fitted, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_gaussian_of_samples_equals_scikit_learn(rng):
    samples = (rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 3).astype(np.float32)
    expected = np.sqrt(LedoitWolf().fit(samples.astype(np.float64)).mahalanobis(samples))
    gaussian = g.Gaussian.from_samples(samples)
    found = g.mahalanobis_map(gaussian, jnp.asarray(samples)[:, None, None])[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(("kind", "shape"), [("tied", (2, 1, 3, 4)), ("global", (2, 3, 3, 1))])
def test_features_of_another_level_are_refused(rng, kind, shape):
    """They would be broadcast."""
    gaussian = _fit(rng.normal(size=(9, 3, 3, 4)).astype(np.float32), kind)
    with pytest.raises(ValueError, match="not of this Gaussian's level"):
        g.mahalanobis_map(gaussian, jnp.ones(shape))
