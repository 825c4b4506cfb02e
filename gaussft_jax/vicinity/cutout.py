"""CutOut: one square of the image replaced by its mean colour."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, PRNGKeyArray, UInt8

__all__ = ["CutOut", "cutout", "draw_cutout"]


class CutOut(NamedTuple):
    """What CutOut draws for one image.

    Attributes:
        side: side of the square, pixels, int32 [].
        centre: row and column of its centre, int32 [2].
    """

    side: Int32[Array, ""]
    centre: Int32[Array, "2"]


def draw_cutout(key: PRNGKeyArray, height: int, width: int) -> CutOut:
    """The random numbers of one CutOut: side in [S/16, S/4], S the shorter side; any centre.

    Args:
        key: random key.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        The draw.
    """
    side_key, centre_key = jax.random.split(key)
    size = min(height, width)
    return CutOut(
        jax.random.randint(side_key, (), size // 16, size // 4 + 1, jnp.int32),
        jax.random.randint(centre_key, (2,), 0, jnp.array([height, width]), jnp.int32),
    )


@jax.jit
def cutout(
    key: PRNGKeyArray, image: UInt8[Array, "h w 3"]
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """The image with one square, clipped at the border, in its mean colour; mask: the square.

    Args:
        key: random key.
        image: uint8 [h w 3], grey levels.

    Returns:
        The image, uint8 [h w 3], and the mask, bool [h w].

    Reference:
        Section 4.2.1; DeVries and Taylor, 2017.
    """
    height, width, _ = image.shape
    side, centre = draw_cutout(key, height, width)
    top, left = centre - side // 2
    rows, columns = jnp.arange(height) - top, jnp.arange(width) - left
    mask = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))
    colour = jnp.round(image.mean((0, 1), dtype=jnp.float32)).astype(jnp.uint8)
    return jnp.where(mask[..., None], colour, image), mask
