"""The transformations one by one, Dirichlet distributions against SciPy, and what is learnt."""

import jax
import jax.numpy as jnp
import numpy as np
from flax.serialization import to_state_dict
from scipy.optimize import minimize
from scipy.special import gammaln, softmax
from scipy.stats import dirichlet

from gaussft_jax import methods
from gaussft_jax.methods import geotrans


def test_the_transformations(rng):
    images = rng.normal(size=(2, 12, 12, 3)).astype(np.float32)
    found = geotrans.transformed(jnp.asarray(images), 3)
    for n, image in enumerate(images):
        expected = []
        for flipped in (image, np.fliplr(image)):
            # A shift of an image beside its mirror images.
            beside = np.concatenate([flipped, flipped[::-1]])
            beside = np.concatenate([beside, beside[:, ::-1]], 1)
            for y in (3, 0, -3):
                for x in (3, 0, -3):
                    moved = np.roll(beside, (y, x), (0, 1))[:12, :12]
                    expected += [np.rot90(moved, turns) for turns in range(4)]
        np.testing.assert_array_equal(found[n], expected)
        assert len({x.tobytes() for x in expected}) == 72


def _likeliest(y):
    """Concentrations by a search for the largest likelihood, in their logarithms."""
    logs = np.log(y).mean(0)

    def loss(log_a):
        a = np.exp(log_a)
        return gammaln(a).sum() - gammaln(a.sum()) - (a - 1) @ logs

    found = minimize(loss, np.zeros(len(logs)), method="BFGS", options={"gtol": 1e-7})
    return np.exp(found.x)


def test_dirichlet_distributions_are_the_likeliest(rng):
    """Of samples of small, large and mixed concentrations, and of what is no Dirichlet."""
    spread = (np.full(5, 0.1), np.full(5, 30.0), np.array([0.2, 1, 5, 20, 80]))
    samples = [rng.dirichlet(a, 40) for a in spread]
    samples = [np.clip(y, 1e-12, None) for y in samples]
    samples.append(softmax(rng.normal(scale=6, size=(12, 5)), 1))
    usual = geotrans.dirichlet(np.stack([np.log(y).mean(0) for y in samples]))
    for found, y in zip(usual.concentration, samples, strict=True):
        np.testing.assert_allclose(found, _likeliest(y), rtol=1e-3)
    queries = rng.dirichlet(np.ones(5), (3, 4))
    found = geotrans.log_likelihood(usual, jnp.log(jnp.float32(queries)))
    for n, kind in np.ndindex(3, 4):
        a = np.float64(usual.concentration[kind])
        expected = dirichlet.logpdf(queries[n, kind] / queries[n, kind].sum(), a)
        np.testing.assert_allclose(found[n, kind], expected, rtol=1e-4, atol=1e-3)


def test_equal_samples_have_a_narrow_distribution(rng):
    y = rng.dirichlet(np.ones(72))
    usual = geotrans.dirichlet(np.log(y)[None])
    np.testing.assert_allclose(usual.concentration[0] / usual.concentration.sum(), y, atol=1e-3)
    assert np.isfinite(usual.log_normaliser).all()


def test_geotrans_learns_to_tell_transformations(rng):
    """Of slopes with a dark corner; those without it are unusual."""
    slope = np.linspace(-1, 1, 32)[:, None, None] * [1, 0.5, 0] + np.linspace(0, 1, 32)[:, None]
    images = (
        slope + rng.normal(scale=0.1, size=(13, 32, 32, 3)) + rng.normal(size=(13, 1, 1, 3)) / 4
    )
    images[:, :8, :8] -= 2
    images = np.float32(images)
    method = methods.GeoTrans(epochs=45)
    references = method.fit(lambda: iter([((jnp.asarray(images),), np.arange(13) < 12)]))
    network, usual = references

    def told(x):
        """log y of one image, each transformation on its own."""
        kinds = geotrans.transformed(jnp.asarray(x)[None], 8)[0]
        return np.stack([geotrans.guesses(network, kind[None])[0] for kind in kinds])

    logs = np.stack([told(x) for x in images[:3]])
    assert (logs.argmax(2) == np.arange(72)).mean() > 0.3  # 1 in 72 by chance
    good = method.level_maps(references, (jnp.asarray(images),))[0]
    scores = [
        -np.mean(
            [
                dirichlet.logpdf(softmax(np.float64(y)), np.float64(a))
                for y, a in zip(of, usual.concentration, strict=True)
            ]
        )
        for of in logs[:1]
    ]
    np.testing.assert_allclose(good[:1, 0, 0], scores, rtol=1e-3)
    bad = images.copy()
    bad[:, :8, :8] += 2
    found = method.level_maps(references, (jnp.asarray(bad),))[0]
    assert np.mean(found > good) > 0.9

    restored = method.restored(to_state_dict(references))
    assert jax.tree.structure(restored) == jax.tree.structure(references)
    jax.tree.map(np.testing.assert_array_equal, restored, references)
