import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from gaussft_jax.vicinity import operations


def _transform(image, *coefficients):
    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )


# name -> (Pillow's operation, a random parameter)
PILLOW = {
    "posterize": (ImageOps.posterize, lambda rng: int(rng.integers(1, 9))),
    "solarize": (ImageOps.solarize, lambda rng: int(rng.integers(0, 257))),
    "rotate": (
        lambda image, degrees: image.rotate(degrees, Image.Resampling.BILINEAR),
        lambda rng: rng.uniform(-180, 180),
    ),
    "shear_x": (
        lambda image, slope: _transform(image, 1, slope, 0, 0, 1, 0),
        lambda rng: rng.uniform(-0.5, 0.5),
    ),
    "shear_y": (
        lambda image, slope: _transform(image, 1, 0, 0, slope, 1, 0),
        lambda rng: rng.uniform(-0.5, 0.5),
    ),
    "translate_x": (
        lambda image, pixels: _transform(image, 1, 0, pixels, 0, 1, 0),
        lambda rng: rng.choice([rng.uniform(-70, 70), rng.integers(-70, 70)]),
    ),
    "translate_y": (
        lambda image, pixels: _transform(image, 1, 0, 0, 0, 1, pixels),
        lambda rng: rng.choice([rng.uniform(-70, 70), rng.integers(-70, 70)]),
    ),
}
SHAPES = [(64, 64), (97, 97), (224, 224), (80, 131)]


def _assert_as_pillow(ours, pillows):
    difference = np.abs(np.asarray(ours).astype(int) - np.asarray(pillows).astype(int)).max(-1)
    assert (difference <= 1).mean() >= 0.995


@pytest.mark.parametrize("shape", SHAPES)
def test_autocontrast_equals_pillow(pictures, shape):
    for picture in pictures(*shape):
        pillows = ImageOps.autocontrast(Image.fromarray(picture))
        _assert_as_pillow(jax.jit(operations.autocontrast)(picture), pillows)


@pytest.mark.parametrize("shape", [*SHAPES, (20, 20), (10, 10)])
def test_equalize_equals_pillow_in_every_pixel(pictures, shape):
    # 10 x 10 pixels are too few for a step; at 20 x 20 the table passes 255 and is clipped.
    for picture in pictures(*shape):
        pillows = ImageOps.equalize(Image.fromarray(picture))
        np.testing.assert_array_equal(jax.jit(operations.equalize)(picture), pillows)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PILLOW)
def test_operations_with_a_parameter_equal_pillow(pictures, rng, name, shape):
    pillow, parameter = PILLOW[name]
    ours = jax.jit(getattr(operations, name))
    for picture in pictures(*shape):
        value = parameter(rng)
        _assert_as_pillow(ours(picture, value), pillow(Image.fromarray(picture), value))


@pytest.mark.parametrize("degrees", [-30, 0, 1, 45, 90, 180])
def test_rotation_by_whole_degrees_equals_pillow(pictures, degrees):
    for picture in pictures(64, 64):
        pillows = Image.fromarray(picture).rotate(degrees, Image.Resampling.BILINEAR)
        _assert_as_pillow(operations.rotate(jnp.asarray(picture), degrees), pillows)
