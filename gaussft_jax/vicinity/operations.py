"""The nine image operations of AugMix on uint8 images, equal to Pillow's."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Real, UInt8

__all__ = [
    "autocontrast",
    "equalize",
    "posterize",
    "rotate",
    "shear_x",
    "shear_y",
    "solarize",
    "translate_x",
    "translate_y",
]

Image = UInt8[Array, "h w 3"]
Scalar = Real[ArrayLike, ""]


def autocontrast(image: Image) -> Image:
    """Every channel stretched to 0..255; a constant channel stays.

    Args:
        image: uint8 [h w 3], grey levels.

    Returns:
        uint8 [h w 3], grey levels; as `PIL.ImageOps.autocontrast`.
    """
    levels = image.astype(jnp.int32)
    low, high = levels.min((0, 1)), levels.max((0, 1))
    stretched = (levels - low) * 255 // jnp.maximum(high - low, 1)
    return jnp.where(high > low, stretched, levels).astype(jnp.uint8)


def equalize(image: Image) -> Image:
    """Every channel with its histogram flattened; a constant channel stays.

    Args:
        image: uint8 [h w 3], grey levels.

    Returns:
        uint8 [h w 3], grey levels; as `PIL.ImageOps.equalize`.
    """
    bins = image.astype(jnp.int32) + 256 * jnp.arange(3, dtype=jnp.int32)
    histogram = jnp.zeros(3 * 256, jnp.int32).at[bins].add(1).reshape(3, 256)
    brightest = jnp.take_along_axis(histogram, image.max((0, 1))[:, None].astype(jnp.int32), 1)
    step = (image.shape[0] * image.shape[1] - brightest) // 255
    below = jnp.cumsum(histogram, axis=1, dtype=jnp.int32) - histogram
    table = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), 255)
    return jnp.where(step > 0, table, jnp.arange(256)).astype(jnp.uint8).reshape(-1)[bins]


def posterize(image: Image, bits: Int[ArrayLike, ""]) -> Image:
    """Every channel with only its highest bits kept.

    Args:
        image: uint8 [h w 3], grey levels.
        bits: how many bits are kept, 0..8.

    Returns:
        uint8 [h w 3], grey levels; as `PIL.ImageOps.posterize`.
    """
    return image & (0xFF << (8 - jnp.asarray(bits))).astype(jnp.uint8)


def solarize(image: Image, threshold: Scalar) -> Image:
    """Every grey level from the threshold up inverted.

    Args:
        image: uint8 [h w 3], grey levels.
        threshold: grey level, 0..256.

    Returns:
        uint8 [h w 3], grey levels; as `PIL.ImageOps.solarize`.
    """
    return jnp.where(image.astype(jnp.int32) < threshold, image, 255 - image)


def rotate(image: Image, degrees: Scalar) -> Image:
    """The image turned counter-clockwise about its centre, over black.

    Args:
        image: uint8 [h w 3], grey levels.
        degrees: angle, degrees.

    Returns:
        uint8 [h w 3], grey levels; as `PIL.Image.rotate`, bilinear.
    """
    middle_y, middle_x = image.shape[0] / 2, image.shape[1] / 2
    angle = jnp.radians(jnp.asarray(degrees, jnp.float32))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return _affine(
        image,
        (cos, -sin, middle_x - cos * middle_x + sin * middle_y),
        (sin, cos, middle_y - sin * middle_x - cos * middle_y),
    )


def shear_x(image: Image, slope: Scalar) -> Image:
    """The image sheared along x, over black.

    Args:
        image: uint8 [h w 3], grey levels.
        slope: pixels to the right that the source moves per row.

    Returns:
        uint8 [h w 3], grey levels; as Pillow's `transform` with (1, slope, 0, 0, 1, 0), bilinear.
    """
    return _affine(image, (1, slope, 0), (0, 1, 0))


def shear_y(image: Image, slope: Scalar) -> Image:
    """The image sheared along y, over black.

    Args:
        image: uint8 [h w 3], grey levels.
        slope: pixels down that the source moves per column.

    Returns:
        uint8 [h w 3], grey levels; as Pillow's `transform` with (1, 0, 0, slope, 1, 0), bilinear.
    """
    return _affine(image, (1, 0, 0), (slope, 1, 0))


def translate_x(image: Image, pixels: Scalar) -> Image:
    """The image moved to the left, over black.

    Args:
        image: uint8 [h w 3], grey levels.
        pixels: distance, pixels.

    Returns:
        uint8 [h w 3], grey levels; as Pillow's `transform` with (1, 0, pixels, 0, 1, 0), bilinear.
    """
    return _affine(image, (1, 0, pixels), (0, 1, 0))


def translate_y(image: Image, pixels: Scalar) -> Image:
    """The image moved up, over black.

    Args:
        image: uint8 [h w 3], grey levels.
        pixels: distance, pixels.

    Returns:
        uint8 [h w 3], grey levels; as Pillow's `transform` with (1, 0, 0, 0, 1, pixels), bilinear.
    """
    return _affine(image, (1, 0, 0), (0, 1, pixels))


def _affine(image: Image, x_row: tuple, y_row: tuple) -> Image:
    """`PIL.Image.transform(size, AFFINE, x_row + y_row, BILINEAR)`: output to source position."""
    height, width, _ = image.shape
    # A pixel's centre is at + 0.5; a source position outside the image is black; the neighbours
    # of an inside one are clamped to the image; the result is truncated, not rounded.
    across = jnp.arange(width, dtype=jnp.float32) + 0.5
    down = jnp.arange(height, dtype=jnp.float32)[:, None] + 0.5
    x, y = (a * across + b * down + c for a, b, c in (x_row, y_row))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x0, y0 = jnp.floor(x - 0.5), jnp.floor(y - 0.5)
    fraction_x, fraction_y = (x - 0.5 - x0)[..., None], (y - 0.5 - y0)[..., None]
    columns = [jnp.clip(x0 + i, 0, width - 1).astype(jnp.int32) for i in (0, 1)]
    rows = [jnp.clip(y0 + i, 0, height - 1).astype(jnp.int32) for i in (0, 1)]

    def interpolated_row(row):
        left, right = (image[row, column].astype(jnp.float32) for column in columns)
        return left + (right - left) * fraction_x

    top, bottom = map(interpolated_row, rows)
    value = top + (bottom - top) * fraction_y
    return jnp.where(inside[..., None], value, 0).astype(jnp.uint8)
