"""CutPaste: a rectangle or a thin scar of the image, pasted elsewhere in it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32, PRNGKeyArray, UInt8

__all__ = ["Cut", "draw_patch", "draw_scar", "patch", "scar"]

AREA = (0.02, 0.15)  # of the image, fraction
ASPECTS = ((0.3, 1.0), (1.0, 3.3))  # height to width; one of the two ranges, by a fair coin
SIZE = 256  # pixels: the shorter side of the image for which the scar's are given
SCAR = ((10.0, 25.0), (2.0, 16.0))  # pixels of such an image: height, width
TURN = 45.0  # degrees
JITTER = 0.1
GREY = (0.299, 0.587, 0.114)


class Cut(NamedTuple):
    """What is cut out of an image, and where it is pasted.

    Attributes:
        sides: height and width of the rectangle, pixels, float32 [2].
        angle: by which it is turned, counter-clockwise, degrees, float32 [].
        source: row and column of its centre where it is cut, int32 [2].
        target: row and column of its centre where it is pasted, int32 [2].
        factors: of brightness, contrast and saturation, 0.9..1.1, float32 [3].
    """

    sides: Float32[Array, "2"]
    angle: Float32[Array, ""]
    source: Int32[Array, "2"]
    target: Int32[Array, "2"]
    factors: Float32[Array, "3"]


def draw_patch(key: PRNGKeyArray, height: int, width: int) -> Cut:
    """The random numbers of one patch: 2 to 15 % of the area, aspect (0.3, 1) or (1, 3.3).

    Args:
        key: random key.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        The draw; a patch that is longer than the image is cut to it.
    """
    area_key, coin_key, aspect_key, key = jax.random.split(key, 4)
    area = height * width * jax.random.uniform(area_key, (), jnp.float32, *AREA)
    low, high = jnp.array(ASPECTS, jnp.float32)[jax.random.bernoulli(coin_key).astype(jnp.int32)]
    aspect = jax.random.uniform(aspect_key, (), jnp.float32, low, high)
    sides = jnp.sqrt(jnp.stack([area * aspect, area / aspect]))
    sides = jnp.minimum(sides, jnp.array([height, width], jnp.float32))
    return _placed(key, sides, jnp.float32(0), height, width)


def draw_scar(key: PRNGKeyArray, height: int, width: int) -> Cut:
    """The random numbers of one scar: 10..25 x 2..16 px at 256 px, turned by -45..45 degrees.

    Args:
        key: random key.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        The draw; in a small image the sides are at least one pixel.
    """
    sides_key, angle_key, key = jax.random.split(key, 3)
    low, high = jnp.array(SCAR, jnp.float32).T
    sides = jax.random.uniform(sides_key, (2,), jnp.float32, low, high)
    sides = jnp.maximum(sides * (min(height, width) / SIZE), 1.0)
    angle = jax.random.uniform(angle_key, (), jnp.float32, -TURN, TURN)
    return _placed(key, sides, angle, height, width)


@jax.jit
def patch(
    key: PRNGKeyArray, image: UInt8[Array, "h w 3"]
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """The image with a rectangle of it pasted elsewhere, its colours jittered; mask: the pasted.

    Args:
        key: random key.
        image: uint8 [h w 3], grey levels.

    Returns:
        The image, uint8 [h w 3], and the mask, bool [h w].

    Reference:
        Li et al., CutPaste: self-supervised learning for anomaly detection and localization, 2021.
    """
    return pasted(image, draw_patch(key, *image.shape[:2]))


@jax.jit
def scar(
    key: PRNGKeyArray, image: UInt8[Array, "h w 3"]
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """The image with a thin piece of it turned and pasted elsewhere, its colours jittered.

    Args:
        key: random key.
        image: uint8 [h w 3], grey levels.

    Returns:
        The image, uint8 [h w 3], and the mask, the pasted pixels, bool [h w].

    Reference:
        Li et al., CutPaste: self-supervised learning for anomaly detection and localization, 2021.
    """
    return pasted(image, draw_scar(key, *image.shape[:2]))


def pasted(
    image: UInt8[Array, "h w 3"], cut: Cut
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """The image with the cut pasted, and the pasted pixels, those of equal value included.

    Each pixel inside the turned rectangle takes the nearest pixel of the rectangle's source.

    Args:
        image: uint8 [h w 3], grey levels.
        cut: the random numbers.

    Returns:
        The image, uint8 [h w 3], and the mask, bool [h w].
    """
    height, width, _ = image.shape
    y = jnp.arange(height, dtype=jnp.int32)[:, None] - cut.target[0]
    x = jnp.arange(width, dtype=jnp.int32) - cut.target[1]
    angle = jnp.radians(cut.angle)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    down, across = cos * y + sin * x, cos * x - sin * y
    mask = (jnp.abs(down) < cut.sides[0] / 2) & (jnp.abs(across) < cut.sides[1] / 2)
    rows = cut.source[0] + jnp.round(down).astype(jnp.int32)
    columns = cut.source[1] + jnp.round(across).astype(jnp.int32)
    moved = image[jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)]
    return jnp.where(mask[..., None], _jittered(moved, mask, cut.factors), image), mask


def _placed(key, sides, angle, height: int, width: int) -> Cut:
    """The rectangle cut and pasted at random places where it lies inside the image."""
    source_key, target_key, factors_key = jax.random.split(key, 3)
    size = jnp.array([height, width], jnp.int32)
    cos, sin = jnp.cos(jnp.radians(angle)), jnp.abs(jnp.sin(jnp.radians(angle)))
    turned = cos * sides + sin * sides[::-1]

    def centre(key, margin):
        margin = jnp.minimum(jnp.floor(margin).astype(jnp.int32), (size - 1) // 2)
        return jax.random.randint(key, (2,), margin, size - margin, jnp.int32)

    return Cut(
        sides,
        angle,
        centre(source_key, sides / 2 + 0.5),  # a turned pixel is rounded outwards by up to half
        centre(target_key, turned / 2),
        jax.random.uniform(factors_key, (3,), jnp.float32, 1 - JITTER, 1 + JITTER),
    )


def _jittered(
    image: UInt8[Array, "h w 3"], mask: Bool[Array, "h w"], factors: Float32[Array, "3"]
) -> UInt8[Array, "h w 3"]:
    """Brightness, contrast and saturation changed as torchvision's ColorJitter does.

    The order is fixed and the hue left as it is. Contrast is about the mean grey of the mask.
    """
    brightness, contrast, saturation = factors
    grey = jnp.array(GREY, jnp.float32)
    colours = jnp.clip(image * brightness, 0, 255)
    mean = jnp.where(mask, (colours * grey).sum(-1), 0).sum() / mask.sum(dtype=jnp.int32)
    colours = jnp.clip(mean + (colours - mean) * contrast, 0, 255)
    own = (colours * grey).sum(-1, keepdims=True)
    colours = jnp.clip(own + (colours - own) * saturation, 0, 255)
    return jnp.round(colours).astype(jnp.uint8)
