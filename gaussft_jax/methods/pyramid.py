"""Levels of several resolutions as one feature per location."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import correlate
from gaussft_jax.methods.method import Levels

__all__ = ["pyramid", "resolutions", "smooth"]

SIGMA = 1.0  # locations: 4 pixels of the image, at a quarter of its resolution


def resolutions(levels: Levels) -> list[Float[Array, "n _h _w _c"]]:
    """The last level of each resolution, from the finest on: strides 2, 4, 8, 16, 32.

    Where all levels have one resolution, as those of a vision transformer, they are all returned.
    """
    last = list({level.shape[1:3]: level for level in levels}.values())
    return last if len(last) > 1 else list(levels)


def pyramid(levels: Levels) -> Float[Array, "n h w c"]:
    """The last level of each of three resolutions, side by side at the finest of them.

    The finest and the coarsest resolution of a network are left out, as the methods that work on
    pyramids do: strides 4, 8 and 16 remain.

    Args:
        levels: of a backbone, float32 [n h w c], at least four resolutions, or as
            many levels of one.

    Returns:
        float32 [n h w c]; coarser levels are repeated (nearest neighbour).
    """
    chosen = resolutions(levels)[1:4]
    _, h, w, _ = chosen[0].shape
    return jnp.concatenate([_repeated(level, h, w) for level in chosen], -1)


def _repeated(level: Float[Array, "n h w c"], *sides: int) -> Float[Array, "n _y _x c"]:
    for axis, side in enumerate(sides, start=1):
        nearest = ((np.arange(side) + 0.5) * level.shape[axis] / side).astype(int)
        level = jnp.take(level, nearest, axis=axis)
    return level


def smooth(maps: Float[Array, "n h w *c"], sigma: float = SIGMA) -> Float[Array, "n h w *c"]:
    """Maps convolved with a Gaussian, mirrored at the border as SciPy's `gaussian_filter` does.

    Args:
        maps: float32 [n h w] or [n h w c].
        sigma: standard deviation, locations; the kernel ends at four of them.
    """
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
    kernel /= kernel.sum()
    return correlate(maps, kernel, kernel)
