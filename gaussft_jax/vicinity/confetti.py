"""Confetti noise: a few blurred squares, coloured and dark, added to the image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float32, Int32, PRNGKeyArray, UInt8

__all__ = ["Confetti", "confetti", "draw_confetti", "noise_image"]

# All lengths are those of an image of this size, and are scaled with the image.
SIZE = 240
SIDES = 8, 54
RADIUS, SIGMA = 12, 5.0
TURN = 45
COLOURED, DARK = 1.8e-5, 1.2e-5
# More than 8 blobs in a layer have a probability of 2e-6 (coloured) and 1e-7 (dark).
LAYER_BLOBS = 8
MINIMUM_CHANGE = 0.025


class Confetti(NamedTuple):
    """What Confetti draws for one image: `count[0]` coloured blobs, then `count[1]` dark ones.

    Attributes:
        count: number of blobs of the two layers, 1..8, int32 [2].
        centres: y and x, fractions of height and width, float32 [16 2].
        sides: 8..54 at 240 pixels, int32 [16].
        angles: -45..45, degrees, float32 [16].
        colours: -256..-1 of a coloured blob and -255 of a dark one, grey levels, int32 [16 3].
    """

    count: Int32[Array, "2"]
    centres: Float32[Array, "16 2"]
    sides: Int32[Array, "16"]
    angles: Float32[Array, "16"]
    colours: Int32[Array, "16 3"]


def draw_confetti(key: PRNGKeyArray) -> Confetti:
    """The random numbers of one Confetti.

    Args:
        key: random key.

    Returns:
        The draw; it is the same for all image sizes.
    """
    keys = jax.random.split(key, 6)
    count = jnp.stack(
        [
            1 + jax.random.categorical(k, _log_probability(p)).astype(jnp.int32)
            for k, p in zip(keys[:2], (COLOURED, DARK), strict=True)
        ]
    )
    blobs = 2 * LAYER_BLOBS
    colours = jax.random.randint(keys[2], (blobs, 3), -256, 0, jnp.int32)
    return Confetti(
        count,
        jax.random.uniform(keys[3], (blobs, 2), jnp.float32),
        jax.random.randint(keys[4], (blobs,), SIDES[0], SIDES[1] + 1, jnp.int32),
        jax.random.uniform(keys[5], (blobs,), jnp.float32, -TURN, TURN),
        jnp.where(jnp.arange(blobs)[:, None] < count[0], colours, -255),
    )


def noise_image(draw: Confetti, height: int, width: int) -> Float32[Array, "h w 3"]:
    """The sum of the blobs, blurred and truncated to whole grey levels.

    Args:
        draw: the random numbers.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        float32 [h w 3], grey levels, none positive.
    """
    scale = min(height, width) / SIZE
    down = jnp.arange(height, dtype=jnp.float32)[:, None] + 0.5
    across = jnp.arange(width, dtype=jnp.float32) + 0.5

    def with_blob(i, noise):
        y, x = down - draw.centres[i, 0] * height, across - draw.centres[i, 1] * width
        angle = jnp.radians(draw.angles[i])
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        reach = jnp.maximum(jnp.abs(cos * x + sin * y), jnp.abs(cos * y - sin * x))
        inside = reach < draw.sides[i] * (scale / 2)
        return noise + jnp.where(inside[..., None], draw.colours[i].astype(jnp.float32), 0)

    blank = jnp.zeros((height, width, 3), jnp.float32)
    blobs = lax.fori_loop(0, draw.count.sum(dtype=jnp.int32), with_blob, blank)
    # Two matrix products: many times faster than a convolution of three channels on a CPU.
    blurred = jnp.einsum(
        "yi,xj,ijc->yxc",
        _blur_matrix(height, scale),
        _blur_matrix(width, scale),
        blobs,
        precision=lax.Precision.HIGHEST,
    )
    return jnp.trunc(blurred)


@jax.jit
def confetti(
    key: PRNGKeyArray, image: UInt8[Array, "h w 3"]
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """The image with Confetti noise added, and its mask: the pixels that changed.

    The noise darkens; where the image is too dark for that, with a mean change under 0.025 grey
    levels, it lightens.

    Args:
        key: random key.
        image: uint8 [h w 3], grey levels.

    Returns:
        The image, uint8 [h w 3], and the mask, bool [h w].

    Reference:
        Section 4.2.1; Liznerski et al., 2021.
    """
    noise = noise_image(draw_confetti(key), *image.shape[:2])
    levels = image.astype(jnp.float32)
    darker, lighter = jnp.maximum(levels + noise, 0), jnp.minimum(levels - noise, 255)
    noisy = jnp.where((levels - darker).mean() < MINIMUM_CHANGE, lighter, darker)
    return noisy.astype(jnp.uint8), (noisy != levels).any(-1)


def _log_probability(p: float) -> Float32[np.ndarray, "8"]:
    """Of 1..8 blobs: binomial over the pixels, given that there is one, cut at 8 (up to a sum)."""
    k, n = np.arange(1, LAYER_BLOBS + 1), SIZE**2
    binomials = np.cumsum(np.log(n - k + 1) - np.log(k))
    return (binomials + k * np.log(p) + (n - k) * np.log1p(-p)).astype(np.float32)


def _blur_matrix(size: int, scale: float) -> Float32[np.ndarray, "size size"]:
    """The Gaussian blur of one axis as a matrix, reflected at the border."""
    radius = round(RADIUS * scale)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (SIGMA * scale)) ** 2)
    padded = np.pad(np.eye(size), ((radius, radius), (0, 0)), mode="reflect")
    shifted = (w * padded[i : i + size] for i, w in enumerate(kernel / kernel.sum()))
    return np.sum(list(shifted), axis=0).astype(np.float32)
