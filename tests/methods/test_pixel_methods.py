"""What is learnt of the image itself, against equations in NumPy and one patch at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import label
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from gaussft_jax import methods
from gaussft_jax.methods import encoder as e
from gaussft_jax.methods import patch_svdd, triplet

SHAPES = ((16, 16, 4), (8, 8, 5), (4, 4, 6), (2, 2, 7))


def _levels(rng, n):
    """Images of 32 px and a network's levels, of which the one of stride 8 tells their means."""
    images = rng.normal(size=(n, 32, 32, 3)).astype(np.float32)
    images += np.repeat(np.repeat(rng.normal(size=(n, 4, 4, 3)), 8, 1), 8, 2)
    levels = [rng.normal(size=(n, *shape)) for shape in SHAPES]
    means = images.reshape(n, 4, 8, 4, 8, 3).mean((2, 4))
    levels[2] = 5 + np.concatenate([means, -2 * means], -1)
    return tuple(jnp.asarray(x, jnp.float32) for x in (images, *levels))


def _once(levels):
    """In one batch, whose last image is not to be looked at."""
    return lambda: iter([(levels, np.arange(len(levels[0])) < len(levels[0]) - 1)])


def _encoded(encoder, images):
    return np.asarray(e.encode(encoder, e.surrounded(images)), np.float64)


def test_students_are_scored_by_error_and_variance(rng):
    training, queries = _levels(rng, 9), _levels(rng, 3)
    method = methods.Students(count=2, epochs=60)
    references = method.fit(_once(training))
    (found,) = method.level_maps(references, queries)

    taught = np.asarray(training[3], np.float64)[:-1]
    mean, std = taught.mean((0, 1, 2)), taught.std((0, 1, 2))

    def looked(levels):
        told = np.stack([_encoded(student, levels[0]) for student in references.students])
        error = np.square(told.mean(0) - (levels[3] - mean) / std).mean(-1)
        return np.stack([error, told.var(0).mean(-1)])

    usual = looked(tuple(level[:-1] for level in training))
    assert usual[0].mean() < 0.5  # they learn; 1 is the error of who knows the mean alone
    spread = (usual - usual.mean((1, 2, 3), keepdims=True)).std((1, 2, 3), keepdims=True)
    expected = (looked(queries) - usual.mean((1, 2, 3), keepdims=True)) / spread
    np.testing.assert_allclose(found, expected.sum(0), rtol=1e-3, atol=1e-3)


def test_students_take_a_network_of_one_resolution(rng):
    """As a vision transformer's 3 x 3 patches under an image of 4 x 4 times 8 pixels."""
    image, *_ = _levels(rng, 5)
    levels = [jnp.asarray(rng.normal(size=(5, 3, 3, 2)), jnp.float32) for _ in range(4)]
    method = methods.Students(count=1, epochs=1)
    maps = method.level_maps(method.fit(_once((image, *levels))), (image, *levels))
    assert [x.shape for x in maps] == [(5, 4, 4)]


def test_directions_are_told_by_pairs(rng):
    """Every location and every neighbour of it, three away, that is inside."""
    classifier = patch_svdd.initial_classifier(rng, 4)
    classifier = tuple(x._replace(bias=rng.normal(size=x.bias.shape)) for x in classifier)
    features = rng.normal(size=(2, 6, 5, 4))
    (w, b), (v, c) = (tuple(np.float64(x).squeeze() for x in layer) for layer in classifier)
    expected = np.zeros(2)
    for number, (y, x) in enumerate(patch_svdd.DIRECTIONS):
        losses = []
        for i, j in np.ndindex(6, 5):
            p, q = i + 3 * y, j + 3 * x
            if 0 <= p < 6 and 0 <= q < 5:
                one, other = features[:, i, j] @ w + b, features[:, p, q] @ w + b
                hidden = one[:, :128] + other[:, 128:]
                logits = np.where(hidden < 0, hidden / 10, hidden) @ v + c
                losses.append(-log_softmax(logits, 1)[:, number])
        expected += np.mean(losses, 0) / 8
    found = patch_svdd.cross_entropy(classifier, jnp.float32(features), 3)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_patch_svdd_multiplies_the_distances_to_the_nearest_patches(rng):
    """Those of single patches, cut from the mirrored image."""
    training, queries = _levels(rng, 6), _levels(rng, 2)
    method = methods.PatchSVDD(bank=30, epochs=2)
    references = method.fit(_once(training))
    (found,) = method.level_maps(references, queries)
    assert found.shape == (2, 4, 4)

    def smaller(patch):
        return np.asarray(e.encode(references.encoder, jnp.asarray(patch[None])))[0, 0, 0]

    def features(image, y, x):
        mirrored = np.pad(image, ((28, 28), (28, 28), (0, 0)), "symmetric")
        larger = mirrored[8 * y : 8 * y + 64, 8 * x : 8 * x + 64]
        quarters = [smaller(larger[i : i + 32, j : j + 32]) for i in (0, 32) for j in (0, 32)]
        joined = np.concatenate(quarters)[None, None, None]
        joined = np.maximum(joined, joined / 10)
        of_larger = e.dense(references.larger, jnp.asarray(joined))
        return smaller(larger[16:48, 16:48]), np.asarray(of_larger).ravel()

    kept = [
        features(np.asarray(training[0][n]), y, x) for n in range(5) for y, x in np.ndindex(4, 4)
    ]
    for bank, of_size in zip(references.banks, zip(*kept, strict=True), strict=True):
        assert len(bank) == 30
        assert cdist(bank, of_size).min(1).max() < 1e-3
    for y, x in ((0, 0), (2, 1)):
        asked = features(np.asarray(queries[0][1]), y, x)
        distances = [cdist(f[None], b).min() for f, b in zip(asked, references.banks, strict=True)]
        np.testing.assert_allclose(found[1, y, x], np.prod(distances), rtol=1e-3)


def test_a_rectangle_covers_what_it_should():
    keys = jax.random.split(jax.random.key(0), 300)
    masks = np.asarray(jax.vmap(lambda key: triplet.rectangle(key, 32))(keys))
    sides = []
    for mask in masks:
        assert label(mask)[1] == 1
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        assert mask[np.ix_(rows, columns)].all()
        sides.append((len(rows), len(columns)))
    areas, ratios = np.prod(sides, 1) / 32**2, np.divide(*np.transpose(sides))
    assert 0.01 < areas.min() < 0.04 and 0.36 < areas.max() < 0.42
    assert 0.25 < ratios.min() < 0.4 and 2.5 < ratios.max() < 4
    assert masks.any(0).all()  # anywhere


def test_triplets(rng):
    a, p, n = jnp.asarray(rng.normal(size=(3, 20, 4)), jnp.float32)
    found = triplet.triplet_loss(a, p, n, 0.7)
    expected = np.linalg.norm(a - p, axis=1) - np.linalg.norm(a - n, axis=1) + 0.7
    assert (expected < 0).any()
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-4, atol=1e-6)


def test_triplet_scores_by_the_mean_of_the_place(rng):
    training, queries = _levels(rng, 6), _levels(rng, 2)
    method = methods.Triplet(epochs=2)
    references = method.fit(_once(training))
    (found,) = method.level_maps(references, queries)
    centroids = _encoded(references.encoder, training[0][:-1]).mean(0)
    expected = np.linalg.norm(_encoded(references.encoder, queries[0]) - centroids, axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_triplet_learns_what_is_erased(rng):
    """Stripes in which a grey square stands."""
    waves = np.sin(np.arange(32) + rng.uniform(0, 6, (12, 1)))[:, :, None, None]
    images = np.float32(waves + rng.normal(scale=0.1, size=(12, 32, 32, 3)))
    method = methods.Triplet(epochs=18)
    references = method.fit(_once((jnp.asarray(images),)))
    erased = images.copy()
    erased[:, 8:18, 10:20] = 0.5
    good, bad = (
        np.asarray(method.level_maps(references, (jnp.asarray(x),))[0]).max((1, 2))
        for x in (images, erased)
    )
    assert np.mean(bad > good) > 0.9


@pytest.mark.parametrize(
    "method",
    [methods.Students(1, 1), methods.PatchSVDD(bank=9, epochs=1), methods.Triplet(epochs=1)],
)
def test_a_fit_can_be_repeated(rng, method):
    training = _levels(rng, 5)
    first, second = (method.fit(_once(training)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
