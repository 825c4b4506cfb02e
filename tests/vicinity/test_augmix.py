import math

import jax
import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import stats

from gaussft_jax.vicinity import augmix
from gaussft_jax.vicinity.augmix import OPERATIONS, draw_augmix, mixed_image

# With a fixed seed a test of a distribution passes always or never.
KEYS = jax.random.split(jax.random.key(7), 20_000)
P_VALUE = 1e-3


@pytest.fixture(scope="module")
def draws():
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(draw_augmix))(KEYS))


def _assert_uniform_counts(values, expected):
    counts = [np.sum(values == value) for value in expected]
    assert sum(counts) == values.size
    assert stats.chisquare(counts).pvalue > P_VALUE


def test_chain_weights_are_dirichlet(draws):
    np.testing.assert_allclose(draws.weights.sum(1), 1, rtol=1e-6)
    for weight in draws.weights.T:  # the marginal of Dirichlet(1, 1, 1)
        assert stats.kstest(weight, stats.beta(1, 2).cdf).pvalue > P_VALUE
    # and, since two marginals do not make a joint: the share among two is uniform
    share = draws.weights[:, 0] / draws.weights[:, :2].sum(1)
    assert stats.kstest(share, "uniform").pvalue > P_VALUE


def test_mix_is_beta_1_1(draws):
    assert stats.kstest(draws.mix, stats.beta(1, 1).cdf).pvalue > P_VALUE


def test_depths_operations_and_signs_are_uniform(draws):
    _assert_uniform_counts(draws.depths, [1, 2, 3])
    _assert_uniform_counts(draws.operations, range(9))
    _assert_uniform_counts(draws.signs, [-1, 1])


def test_operations_are_independent_of_each_other(draws):
    pairs = np.histogram2d(draws.operations[:, 0, 0], draws.operations[:, 1, 1], bins=9)[0]
    assert stats.chi2_contingency(pairs).pvalue > P_VALUE


@pytest.mark.parametrize("severity", [3.0, 7.0])
def test_strengths_are_uniform_up_to_the_severity(severity):
    draws = jax.jit(jax.vmap(lambda key: draw_augmix(key, severity)))(KEYS[:3000])
    levels = np.asarray(draws.strengths).ravel() * 10
    assert stats.kstest(levels, stats.uniform(0.1, severity - 0.1).cdf).pvalue > P_VALUE


def _pillow_operation(image, name, level, sign):
    """The operation as its range is published: int(v) = floor(level v / 10), float(v)."""
    width, height = image.size
    whole = lambda v: math.floor(level * v / 10)
    shear = sign * level * 0.3 / 10
    match name:
        case "posterize":
            return ImageOps.posterize(image, 4 - whole(4))
        case "rotate":
            return image.rotate(sign * whole(30), Image.Resampling.BILINEAR)
        case "solarize":
            return ImageOps.solarize(image, 256 - whole(256))
        case "shear_x":
            matrix = (1, shear, 0, 0, 1, 0)
        case "shear_y":
            matrix = (1, 0, 0, shear, 1, 0)
        case "translate_x":
            matrix = (1, 0, sign * whole(width / 3), 0, 1, 0)
        case "translate_y":
            matrix = (1, 0, 0, 0, 1, sign * whole(height / 3))
        case _:
            return getattr(ImageOps, name)(image)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


@pytest.mark.parametrize("severity", [3.0, 9.0])
def test_operations_have_the_published_ranges(pictures, rng, severity):
    for name, operation in OPERATIONS.items():
        ours = jax.jit(operation)
        for picture in pictures(80, 96):
            level, sign = rng.uniform(0.1, severity), int(rng.choice([-1, 1]))
            pillows = _pillow_operation(Image.fromarray(picture), name, level, sign)
            difference = np.asarray(ours(picture, level / 10, sign)).astype(int) - pillows
            assert (np.abs(difference).max(-1) <= 1).mean() >= 0.995, (name, level, sign)


@pytest.mark.parametrize("severity", [3.0, 7.0])
def test_the_mixture_equals_one_by_pillow(pictures, rng, severity):
    names = list(OPERATIONS)
    mixed, drawn = jax.jit(mixed_image), jax.jit(draw_augmix, static_argnums=1)
    for picture in pictures(97, 97):
        draw = drawn(jax.random.key(rng.integers(2**31)), severity)
        expected = (1 - draw.mix) * picture
        for chain in range(3):
            image = Image.fromarray(picture)
            for step in range(draw.depths[chain]):
                level, sign = 10 * float(draw.strengths[chain, step]), int(draw.signs[chain, step])
                name = names[draw.operations[chain, step]]
                image = _pillow_operation(image, name, level, sign)
            expected += draw.mix * draw.weights[chain] * np.asarray(image)
        difference = np.abs(np.asarray(mixed(picture, draw)) - expected).max(-1)
        # A grey level of difference can pass a threshold or be stretched by the next operation.
        assert (difference <= 2).mean() >= 0.98, draw


def test_the_mask_is_the_whole_image(pictures):
    image, mask = augmix(jax.random.key(0), pictures(64, 64)[0])
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert mask.shape == (64, 64) and mask.all()
