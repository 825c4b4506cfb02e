import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gaussft_jax import gaussian as g
from gaussft_jax import methods

METHODS = {
    "gaussian": methods.create("gaussian"),
    "gaussian-mean": methods.create("gaussian", gaussian="global", aggregation="mean"),
    "deep_svdd-l1": methods.DeepSVDD("l1"),
    "deep_svdd-l2": methods.DeepSVDD("l2", "mean"),
    "fcdd": methods.FCDD(),
    "hsc": methods.HSC(),
}


def _levels(rng, n=6):
    shapes = ((n, 4, 4, 5), (n, 2, 2, 3))
    return tuple(jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)


def _once(levels):
    return lambda: iter([(levels, np.ones(len(levels[0]), bool))])


def _kink(maps, levels, training):
    """How far the levels are from where max changes its location or |x - mean| its sign."""
    largest = [np.sort(np.reshape(each, (len(each), -1)))[:, -2:] for each in maps]
    gaps = [np.diff(two).min(initial=np.inf) for two in largest]
    signs = [np.abs(x - np.mean(t, 0)).min() for x, t in zip(levels, training, strict=True)]
    return min(gaps + signs)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_equal_finite_differences(rng, name):
    """In float64, by steps 1000 times shorter than the way to the nearest kink."""
    method, training = METHODS[name], _levels(rng)
    references = method.fit(_once(training))
    masks = jnp.zeros((6, 8, 8), bool).at[3:, 2:5, 1:3].set(True)
    levels = _levels(rng)
    while _kink(method.level_maps(references, levels), levels, training) < 1e-3:
        levels = _levels(rng)
    loss = lambda levels: method.loss(method.level_maps(references, levels), masks).mean()
    with jax.enable_x64(True):
        wide = (tuple(jnp.asarray(level, jnp.float64) for level in levels),)
        assert loss(*wide).dtype == jnp.float64
        check_grads(jax.jit(loss), wide, 1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.parametrize("anomalous", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_finite_at_distance_zero(name, anomalous):
    method = METHODS[name]
    levels = (jnp.ones((2, 3, 3, 4)),)
    references = (jnp.ones((3, 3, 4)),)
    if name == "hsc":
        references = (jnp.ones((1, 1, 4)),)
    if name.startswith("gaussian"):
        references = (g.Gaussian(references[0], jnp.eye(4), jnp.float32(0)),)
    masks = jnp.full((2, 6, 6), anomalous)
    loss = lambda levels: method.loss(method.level_maps(references, levels), masks).mean()
    value, (gradient,) = jax.value_and_grad(loss)(levels)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_whitened_features_with_l2_svdd_are_the_gaussian_objective(rng):
    """Section 3: decorrelating by Cholesky makes Deep SVDD the Gaussian method."""
    training, queries = _levels(rng, 40), _levels(rng)
    gaussian, svdd = methods.create("gaussian"), methods.DeepSVDD("l2")
    gaussians = gaussian.fit(_once(training))
    whiten = lambda levels: tuple(map(g.whiten, gaussians, levels))
    centres = svdd.fit(_once(whiten(training)))
    masks = jnp.zeros((6, 8, 8), bool)
    expected = gaussian.loss(gaussian.level_maps(gaussians, queries), masks)
    np.testing.assert_allclose(
        svdd.loss(svdd.level_maps(centres, whiten(queries)), masks), expected, rtol=1e-4
    )


def test_l1_and_l2(rng):
    training, queries = _levels(rng), _levels(rng)
    for norm, order in (("l1", 1), ("l2", 2)):
        method = methods.DeepSVDD(norm)
        maps = method.level_maps(method.fit(_once(training)), queries)
        for level, x, q in zip(maps, training, queries, strict=True):
            expected = np.linalg.norm(q - np.mean(x, 0), order, axis=-1)
            np.testing.assert_allclose(level, expected, rtol=1e-4)


def test_level_mask_marks_every_location_with_an_anomalous_pixel(rng):
    for size, h, w in ((16, 4, 4), (19, 5, 3), (8, 8, 8), (7, 3, 2)):
        masks = rng.random((3, size, size)) < 0.05
        expected = np.zeros((3, h, w), bool)
        for p, q in np.ndindex(h, w):
            rows = slice(p * size // h, -(-(p + 1) * size // h))
            columns = slice(q * size // w, -(-(q + 1) * size // w))
            expected[:, p, q] = masks[:, rows, columns].any((1, 2))
        np.testing.assert_array_equal(methods.level_mask(jnp.asarray(masks), h, w), expected)


def test_fcdd_loss_in_closed_form():
    distance = jnp.full((2, 4, 4), 0.5)
    masks = jnp.zeros((2, 8, 8), bool).at[1, :4].set(True)
    loss = methods.hypersphere_loss((distance,), masks)
    np.testing.assert_allclose(loss[0], 0.5, rtol=1e-6)
    np.testing.assert_allclose(loss[1], 0.25 - np.log(1 - np.exp(-0.25)), rtol=1e-6)
