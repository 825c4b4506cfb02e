"""Normalising flows against autodiff, and against their own equations run backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from gaussft_jax import methods
from gaussft_jax.methods.coupling import flow, initial_flow


def _couplings(rng, features, context=0):
    """Of random weights, those of the last layers too, so that all factors differ."""
    start = initial_flow(0, features, context, blocks=3, hidden=5)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(scale=0.7, size=x.shape)), start)


@pytest.mark.parametrize(("features", "context"), [(6, 0), (7, 4)])
def test_the_log_determinant_is_that_of_the_jacobian(rng, features, context):
    with jax.enable_x64(True):
        couplings = _couplings(rng, features, context)
        x = jnp.asarray(rng.normal(size=(4, features)))
        seen = jnp.asarray(rng.normal(size=(4, context))) if context else None
        _, found = flow(couplings, x, 1, seen)
        for i in range(4):
            given = None if seen is None else seen[i : i + 1]
            one = lambda x, given=given: flow(couplings, x[None], 1, given)[0][0]
            sign, expected = jnp.linalg.slogdet(jax.jacfwd(one)(x[i]))
            np.testing.assert_allclose(found[i], expected, rtol=1e-10)
            assert abs(sign) == 1


def _backwards(couplings, z, seed, seen):
    """NumPy, from the last coupling to the first."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(z.shape[1]) for _ in couplings]

    def parts(layers, given):
        inputs = np.concatenate([given, seen], 1)
        (w, b), (v, c) = (tuple(map(np.asarray, layer)) for layer in layers)
        s, t = np.split(np.maximum(inputs @ w + b, 0) @ v + c, 2, 1)
        return 6 / np.pi * np.arctan(s / 3), t

    for order, coupling in zip(orders[::-1], couplings[::-1], strict=True):
        a, b = np.split(z, [z.shape[1] // 2], 1)
        s, t = parts(coupling.second, a)
        b = (b - t) / np.exp(s)
        s, t = parts(coupling.first, b)
        a = (a - t) / np.exp(s)
        z = np.empty_like(z)
        z[:, order] = np.concatenate([a, b], 1)
    return z


@pytest.mark.parametrize("features", [6, 7])
def test_the_flow_can_be_inverted(rng, features):
    with jax.enable_x64(True):
        couplings = _couplings(rng, features, 2)
        x, seen = rng.normal(size=(9, features)), rng.normal(size=(9, 2))
        z, _ = flow(couplings, jnp.asarray(x), 4, jnp.asarray(seen))
        assert np.abs(z - x).max() > 0.1
        np.testing.assert_allclose(_backwards(couplings, np.asarray(z), 4, seen), x, rtol=1e-8)


def test_at_first_only_the_order_changes(rng):
    x = jnp.asarray(rng.normal(size=(3, 8)), jnp.float32)
    z, log_det = flow(initial_flow(0, 8, 0, 4, 16), x, 0)
    np.testing.assert_array_equal(np.sort(z), np.sort(x))
    np.testing.assert_array_equal(log_det, 0)


SHAPES = ((16, 16, 2), (8, 8, 3), (4, 4, 4), (3, 2, 5), (1, 1, 6))
SMALL = {"blocks": 2, "hidden": 8, "epochs": 3}


def _levels(rng, n):
    return tuple(jnp.asarray(rng.normal(size=(n, *s)) + 2, jnp.float32) for s in SHAPES)


def _once(levels):
    return lambda: iter([(levels, np.arange(len(levels[0])) < len(levels[0]) - 1)])


def test_differnet_scores_by_the_mean_square_of_z(rng):
    training, queries = _levels(rng, 12), _levels(rng, 3)
    method = methods.DifferNet(**SMALL)
    references = method.fit(_once(training))
    (found,) = method.level_maps(references, queries)
    x, q = (
        np.concatenate([np.asarray(level, np.float64).mean((1, 2)) for level in of[1:4]], 1)
        for of in (training, queries)
    )
    with jax.enable_x64(True):
        standard = jnp.asarray((q - x[:-1].mean(0)) / x[:-1].std(0))
        z, _ = flow(references.couplings, standard, method.seed)
    assert np.abs(np.sort(z) - np.sort(standard)).max() > 1e-3  # it has learnt
    np.testing.assert_allclose(found[:, 0, 0], np.square(z).mean(1), rtol=1e-4)


@pytest.mark.parametrize("given", ["place", "nothing"])
def test_the_map_is_the_negative_log_likelihood_of_each_location(rng, given):
    training, queries = _levels(rng, 12), _levels(rng, 2)
    method = methods.LocationFlow(given, **SMALL)
    references = method.fit(_once(training))
    maps = method.level_maps(references, queries)
    assert [level.shape for level in maps] == [(2, 4, 4), (2, 3, 2)]
    likelihood, (h, w, d) = references[1], SHAPES[3]
    angles = np.pi * np.array([1, 2, 4, 8]) * np.array([[2.5 / h], [0.5 / w]])
    place = np.concatenate([np.sin(angles), np.cos(angles)], 1).reshape(1, -1)
    with jax.enable_x64(True):
        x = np.float64(queries[3][1, 2, 0] - likelihood.scaling.mean) / likelihood.scaling.std
        seen = jnp.asarray(place if given == "place" else np.zeros((1, 0)))
        one = lambda x: flow(likelihood.couplings, x[None], method.seed, seen)[0][0]
        _, log_det = np.linalg.slogdet(jax.jacfwd(one)(x))
        log_p = multivariate_normal.logpdf(one(x), np.zeros(d)) + log_det
    expected = -log_p / d - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(maps[1][1, 2, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("method", [methods.DifferNet(**SMALL), methods.LocationFlow(**SMALL)])
def test_a_fit_can_be_repeated(rng, method):
    training = _levels(rng, 12)
    first, second = (method.fit(_once(training)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
