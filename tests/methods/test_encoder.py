"""The encoder of patches against a convolution in NumPy, and dense against one patch alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gaussft_jax.methods import encoder as e


def _encoded(encoder, patch):
    """Of one patch, float64 [32 32 3]: convolutions one after the other, by windows."""
    x = patch
    for number, ((kernel, bias), stride) in enumerate(zip(encoder, (2, 2, 2, 1, 1), strict=True)):
        x = np.where(x < 0, x / 10, x) if number else x
        side = kernel.shape[0]
        windows = sliding_window_view(x, (side, side), (0, 1))[::stride, ::stride]
        x = np.einsum("hwiab,abio->hwo", windows, kernel) + bias
    return x[0, 0]


def _biased(layers, rng):
    """With biases that are not 0."""
    return tuple(layer._replace(bias=rng.normal(size=layer.bias.shape)) for layer in layers)


@pytest.mark.parametrize(("height", "width"), [(48, 40), (45, 37)])
def test_each_location_has_the_features_of_the_patch_around_it(rng, height, width):
    encoder = _biased(e.initial_encoder(rng, 5), rng)
    images = rng.normal(size=(2, height, width, 3))
    features = e.encode(encoder, e.surrounded(jnp.float32(images)))
    assert features.shape == (2, 6, 5, 5)
    # Twelve pixels around 8 x 8 of the image.
    mirrored = np.pad(images, ((0, 0), (12, 20), (12, 20), (0, 0)), "symmetric")
    for y, x in ((0, 0), (2, 3), (5, 4)):
        patch = mirrored[1, 8 * y : 8 * y + 32, 8 * x : 8 * x + 32]
        expected = _encoded(encoder, patch)
        np.testing.assert_allclose(features[1, y, x], expected, rtol=1e-3, atol=1e-4)


def test_layers_of_one_location(rng):
    layers = _biased(e.initial_dense(rng, 4, 6, 3), rng)
    x = rng.normal(size=(2, 3, 5, 4))
    hidden = x @ np.float64(layers[0].kernel[0, 0]) + layers[0].bias
    expected = np.where(hidden < 0, hidden / 10, hidden) @ layers[1].kernel[0, 0] + layers[1].bias
    np.testing.assert_allclose(e.dense(layers, jnp.float32(x)), expected, rtol=1e-3, atol=1e-5)


def test_rectangles_are_cut_and_functions_mapped(rng):
    images = jnp.asarray(rng.normal(size=(3, 9, 8, 2)), jnp.float32)
    found = e.cut(images, jnp.array([[0, 0], [5, 2], [2, 3]]), 4, 5)
    expected = images[0, :4, :5], images[1, 5:, 2:7], images[2, 2:6, 3:]
    np.testing.assert_array_equal(found, expected)
    jax.tree.map(
        np.testing.assert_allclose,
        e.of_each(_two, jnp.float32(3), (images, images[..., 0])),
        (3 * images, images[..., 0].sum(1)),
    )


def _two(factor, examples):
    return factor * examples[0], examples[1].sum(1)
