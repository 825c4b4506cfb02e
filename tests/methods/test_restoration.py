"""ARNet and RIAD against NumPy, SciPy and scikit-image: their network, measures, sets, scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.serialization import to_state_dict
from PIL import Image
from scipy import ndimage
from skimage.metrics import structural_similarity

from gaussft_jax import methods
from gaussft_jax.methods import arnet, riad, similarity, unet

METHODS = {"arnet": methods.ARNet(epochs=10), "riad": methods.RIAD(epochs=14)}


def _stripes(seed, n):
    """Good images, float32 [n 32 32 3]."""
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(n, 32, 32, 3))
    return np.float32(np.sin(np.arange(32) / 2)[:, None, None] + noise)


TRAINING = _stripes(0, 12)


def _fit(name):
    """In one batch, whose last image is not to be looked at."""
    levels = (jnp.asarray(np.concatenate([TRAINING, -TRAINING[:1]])),)
    return METHODS[name].fit(lambda: iter([(levels, np.arange(13) < 12)]))


@pytest.fixture(scope="module")
def fitted():
    return {name: _fit(name) for name in METHODS}


def _pair(rng, height=30, width=25):
    """Two pairs of images that are alike here and there, from 0 to 1."""
    a, noise = rng.random((2, 2, height, width, 3)).astype(np.float32)
    a = ndimage.gaussian_filter(a, 1.5, axes=(1, 2))
    a = (a - a.min()) / np.ptp(a)
    return a, np.where(noise < 0.8, a, noise)


def _biased(layers, rng):
    """With biases that are not 0."""
    return jax.tree.map(lambda x: x if x.ndim > 1 else rng.normal(size=x.shape) / 10, layers)


def _resized(image, height, width):
    """Each channel of one image by Pillow."""
    return np.stack(
        [
            Image.fromarray(np.float32(channel)).resize((width, height), Image.Resampling.BILINEAR)
            for channel in np.moveaxis(image, -1, 0)
        ],
        -1,
    )


def test_unet(rng):
    """One image, convolved by SciPy from all channels to one at a time, enlarged by Pillow."""
    net = _biased(unet.initial_unet(rng, 2), rng)
    image = rng.normal(size=(19, 22, 2)).astype(np.float32)

    def layer(x, kernel, bias):
        channels = [
            sum(
                ndimage.correlate(x[..., i], kernel[..., i, o], mode="constant")
                for i in range(x.shape[-1])
            )
            for o in range(kernel.shape[-1])
        ]
        return np.stack(channels, -1) + bias

    def rectified(x):
        return np.where(x < 0, x / 10, x)

    x, found = np.float64(image), []
    for number, (kernel, bias) in enumerate(net.down):
        x = rectified(layer(x, kernel, bias))
        x = x[::2, ::2] if number else x
        found.append(x)
    assert [x.shape[:2] for x in found] == [(19, 22), (10, 11), (5, 6), (3, 3), (2, 2)]
    for (kernel, bias), finer in zip(net.up, found[-2::-1], strict=True):
        both = np.concatenate([_resized(x, *finer.shape[:2]), finer], -1)
        x = rectified(layer(both, kernel, bias))
    expected = x @ np.float64(net.last.kernel[0, 0]) + net.last.bias
    restored = jax.jit(unet.restored)(net, jnp.asarray(image[None]))
    np.testing.assert_allclose(restored[0], expected, rtol=1e-3, atol=1e-3)


def test_images_are_reduced_only_where_they_are_large(rng):
    images = rng.random((1, 96, 40, 3)).astype(np.float32)
    found = unet.reduced(jnp.asarray(images))
    np.testing.assert_allclose(found[0], _resized(images[0], 64, 40), rtol=1e-4, atol=1e-5)


def _gradient_similarity(a, b):
    """Of one image; the filters are written out."""

    def gradient(x):
        sides = np.pad(np.float64(x), ((1, 1), (1, 1), (0, 0)), mode="symmetric")
        h, w = x.shape[:2]
        at = {(i, j): sides[i : i + h, j : j + w] for i in range(3) for j in range(3)}
        across = sum(at[i, 2] - at[i, 0] for i in range(3)) / 3
        down = sum(at[2, j] - at[0, j] for j in range(3)) / 3
        return np.hypot(across, down)

    g, h = gradient(a), gradient(b)
    return 1 - (g - h) ** 2 / (g**2 + h**2 + 0.0026)


def _multi_scale_similarity(a, b):
    height, width = a.shape[:2]
    sizes = [(-(-height // s), -(-width // s)) for s in (1, 2, 4, 8)]
    scales = [_gradient_similarity(_resized(a, *size), _resized(b, *size)) for size in sizes]
    return np.mean([_resized(each, height, width) for each in scales], 0)


def _structural_similarity(a, b):
    a, b = np.float64(a), np.float64(b)
    mean = lambda x: ndimage.gaussian_filter(x, 1.5, axes=(0, 1))
    m, n = mean(a), mean(b)
    covariance, both = mean(a * b) - m * n, mean(a**2 + b**2) - m**2 - n**2
    structure = (2 * covariance + 9e-4) / (both + 9e-4)
    return structure * (2 * m * n + 1e-4) / (m**2 + n**2 + 1e-4)


@pytest.mark.parametrize(
    ("measure", "oracle"),
    [
        (similarity.gradient_similarity, _gradient_similarity),
        (similarity.multi_scale_similarity, _multi_scale_similarity),
        (similarity.structural_similarity, _structural_similarity),
    ],
)
def test_similarity(rng, measure, oracle):
    a, b = _pair(rng)
    found = jax.jit(measure)(jnp.asarray(a), jnp.asarray(b))
    expected = [oracle(*both) for both in zip(a, b, strict=True)]
    assert np.min(expected) < 0.7
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    same = jax.jit(measure)(jnp.asarray(a), jnp.asarray(a))
    np.testing.assert_allclose(same, 1, atol=1e-4)


def test_structural_similarity_is_nearly_that_of_scikit_image(rng):
    """Whose window ends at 3.5 standard deviations instead of 4."""
    a, b = _pair(rng)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "full": True}
    found = similarity.structural_similarity(jnp.asarray(a), jnp.asarray(b))
    for n in range(2):
        _, expected = structural_similarity(a[n], b[n], channel_axis=-1, data_range=1, **options)
        np.testing.assert_allclose(found[n], expected, atol=0.01)


def test_loss_of_inpainting(rng):
    a, b = _pair(rng)
    found = riad.inpainting_loss(jnp.asarray(a), jnp.asarray(b))
    for n in range(2):
        unlike = 2 - _multi_scale_similarity(a[n], b[n]) - _structural_similarity(a[n], b[n])
        expected = np.square(np.float64(a[n]) - b[n]).mean() + unlike.mean()
        np.testing.assert_allclose(found[n], expected, rtol=1e-3)


def test_gradients_are_finite_where_images_are_even():
    grey = jnp.full((1, 16, 16, 3), 0.5)
    loss = lambda x: riad.inpainting_loss(grey, x).sum()
    gradient = jax.jit(jax.grad(loss))(grey)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize(("h", "w"), [(32, 32), (30, 21)])
def test_sets_are_disjoint_squares_that_cover_the_image(h, w):
    first, second = (np.asarray(riad.disjoint_sets(jax.random.key(i), h, w)) for i in range(2))
    assert first.shape == (4, h, w) and (first != second).any((1, 2)).all()
    for side, sets in zip((2, 4, 8, 16), first, strict=True):
        squares = sets[::side, ::side]
        np.testing.assert_array_equal(sets, np.kron(squares, np.ones((side, side)))[:h, :w])
        counts = np.bincount(squares.ravel(), minlength=3)
        assert len(counts) == 3 and np.ptp(counts) <= 1


def test_what_is_inpainted_does_not_depend_on_what_was_there(rng):
    """Each pixel is the network's answer to an image without the pixels of its set."""
    net = unet.initial_unet(rng, 3)
    images = rng.random((4, 64, 64, 3)).astype(np.float32)  # as large and as many as in a step
    sets = riad.disjoint_sets(jax.random.key(0), 64, 64)[1]
    found = np.asarray(jax.jit(riad.inpainted)(net, jnp.asarray(images), sets))
    for i in range(3):
        inside = np.asarray(sets == i)
        assert inside.any()
        other = images.copy()
        other[:, inside] = 0
        expected = np.asarray(jax.jit(unet.restored)(net, jnp.asarray(other)))
        np.testing.assert_allclose(found[:, inside], expected[:, inside], rtol=1e-3, atol=1e-5)


def test_riad_scores_what_is_unlike_the_inpainting(fitted, rng):
    references = fitted["riad"]
    images = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    scaled = (images - TRAINING.min()) / np.ptp(TRAINING)
    unlike = np.zeros((2, 32, 32))
    for sets in references.sets:
        found = jax.jit(riad.inpainted)(references.unet, jnp.asarray(scaled), sets)
        for n in range(2):
            of_colours = 1 - _multi_scale_similarity(scaled[n], np.asarray(found[n]))
            unlike[n] += of_colours.mean(-1) / 4
    (maps,) = jax.jit(METHODS["riad"].level_maps)(references, (jnp.asarray(images),))
    expected = ndimage.uniform_filter(unlike, 5, axes=(1, 2))
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-3)


def _errors(net, images, turns):
    turned = [np.rot90(images.mean(-1, keepdims=True), turn, (1, 2)) for turn in turns]
    found = [jax.jit(unet.restored)(net, jnp.asarray(each)) for each in turned]
    return np.abs(np.stack(found) - images).mean(-1)


@pytest.mark.parametrize(("width", "turns"), [(32, (0, 1, 2, 3)), (24, (0, 2))])
def test_arnet_scores_errors_in_units_of_the_usual(fitted, rng, width, turns):
    net, _ = fitted["arnet"]
    usual = _errors(net, TRAINING[:, :, :width], turns).mean((1, 2, 3))
    if width == 32:
        np.testing.assert_allclose(fitted["arnet"].usual, usual, rtol=1e-3)
    images = rng.normal(size=(2, 32, width, 3)).astype(np.float32)
    levels, references = (jnp.asarray(images),), arnet.Restorer(net, jnp.asarray(usual))
    expected = (_errors(net, images, turns) / usual[:, None, None, None]).mean(0)
    maps = jax.jit(METHODS["arnet"].level_maps)(references, levels)
    np.testing.assert_allclose(maps[0], expected, rtol=1e-3, atol=1e-5)
    scores = METHODS["arnet"].level_scores(references, levels, maps)
    np.testing.assert_allclose(scores[:, 0], expected.mean((1, 2)), rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_pasted_into_a_pattern_is_found(fitted, name):
    """Stripes that run down, in images that were not learnt."""
    method, references, good = METHODS[name], fitted[name], _stripes(1, 8)
    square = np.s_[:, 8:18, 10:20]
    bad = good.copy()
    bad[square] = good[square].swapaxes(1, 2)
    maps = [jax.jit(method.level_maps)(references, (jnp.asarray(x),)) for x in (good, bad)]
    scores = [np.asarray(method.level_scores(references, (), of))[:, 0] for of in maps]
    assert scores[0].max() < scores[1].min()
    inside = np.zeros((8, 32, 32), bool)
    inside[square] = True
    assert maps[1][0][inside].mean() > 1.5 * maps[1][0][~inside].mean()


@pytest.mark.parametrize("name", METHODS)
def test_a_fit_can_be_repeated_and_restored(fitted, name):
    restored = METHODS[name].restored(to_state_dict(_fit(name)))
    assert jax.tree.structure(fitted[name]) == jax.tree.structure(restored)
    jax.tree.map(np.testing.assert_array_equal, fitted[name], restored)
