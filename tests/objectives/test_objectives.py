import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gaussft_jax import gaussian as g
from gaussft_jax import objectives

OBJECTIVES = {
    "gaussian": objectives.gaussian(),
    "gaussian-mean": objectives.gaussian("global", "mean"),
    "deep_svdd-l1": objectives.deep_svdd("l1"),
    "deep_svdd-l2": objectives.deep_svdd("l2", "mean"),
    "fcdd": objectives.fcdd(),
}


def _levels(rng, n=6):
    shapes = ((n, 4, 4, 5), (n, 2, 2, 3))
    return tuple(jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)


def _once(levels):
    return lambda: iter([(levels, np.ones(len(levels[0]), bool))])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_equal_finite_differences(rng, name):
    objective = OBJECTIVES[name]
    references = objective.fit(_once(_levels(rng)))
    masks = jnp.zeros((6, 8, 8), bool).at[3:, 2:5, 1:3].set(True)
    levels = _levels(rng)
    loss = lambda levels: objective.loss(objective.maps(references, levels), masks).mean()
    check_grads(jax.jit(loss), (levels,), 1, modes=["rev"], atol=2e-2, rtol=2e-2, eps=1e-3)


@pytest.mark.parametrize("anomalous", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_finite_at_distance_zero(name, anomalous):
    objective = OBJECTIVES[name]
    levels = (jnp.ones((2, 3, 3, 4)),)
    references = (jnp.ones((3, 3, 4)),)
    if name.startswith("gaussian"):
        references = (g.Gaussian(references[0], jnp.eye(4), jnp.float32(0)),)
    masks = jnp.full((2, 6, 6), anomalous)
    loss = lambda levels: objective.loss(objective.maps(references, levels), masks).mean()
    value, (gradient,) = jax.value_and_grad(loss)(levels)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_whitened_features_with_l2_svdd_are_the_gaussian_objective(rng):
    """Section 3: decorrelating by Cholesky makes Deep SVDD the Gaussian objective."""
    training, queries = _levels(rng, 40), _levels(rng)
    gaussian, svdd = objectives.gaussian("tied"), objectives.deep_svdd("l2")
    gaussians = gaussian.fit(_once(training))
    whiten = lambda levels: tuple(map(g.whiten, gaussians, levels))
    centres = svdd.fit(_once(whiten(training)))
    masks = jnp.zeros((6, 8, 8), bool)
    expected = gaussian.loss(gaussian.maps(gaussians, queries), masks)
    np.testing.assert_allclose(
        svdd.loss(svdd.maps(centres, whiten(queries)), masks), expected, rtol=1e-4
    )


def test_l1_and_l2(rng):
    training, queries = _levels(rng), _levels(rng)
    for norm, order in (("l1", 1), ("l2", 2)):
        objective = objectives.deep_svdd(norm)
        maps = objective.maps(objective.fit(_once(training)), queries)
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
        np.testing.assert_array_equal(objectives.level_mask(jnp.asarray(masks), h, w), expected)


def test_fcdd_loss_in_closed_form():
    distance = jnp.full((2, 4, 4), 0.5)
    masks = jnp.zeros((2, 8, 8), bool).at[1, :4].set(True)
    loss = objectives.hypersphere_loss((distance,), masks)
    np.testing.assert_allclose(loss[0], 0.5, rtol=1e-6)
    np.testing.assert_allclose(loss[1], 0.25 - np.log(1 - np.exp(-0.25)), rtol=1e-6)
