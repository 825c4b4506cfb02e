"""From the distance maps of the levels to one score and one map per image."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

__all__ = [
    "Aggregation",
    "anomaly_map",
    "correlate",
    "image_score",
    "level_scores",
    "level_weights",
    "resize",
    "weighted_mean",
]

Aggregation = Literal["max", "mean"]


@functools.partial(jax.jit, static_argnames="aggregation")
def level_scores(
    maps: tuple[Float[Array, "n _h _w"], ...], aggregation: Aggregation = "max"
) -> Float[Array, "n l"]:
    """The largest (or mean) distance in each level of an image.

    Args:
        maps: one distance map per level, float32 [n h w].
        aggregation: `max` or `mean` over the locations.

    Returns:
        float32 [n levels], distance.
    """
    reduce = {"max": jnp.max, "mean": jnp.mean}[aggregation]
    return jnp.stack([reduce(level, axis=(1, 2)) for level in maps], 1)


@jax.jit
def weighted_mean(
    scores: Float[Array, "n l"], weights: Float[Array, " l"] | None = None
) -> Float[Array, " n"]:
    """Mean over the levels of their scores; equation 5 per image.

    Args:
        scores: of the levels, as from `level_scores`, float32 [n levels].
        weights: of the levels, float32 [levels], as from `level_weights`; None weighs all alike.

    Returns:
        float32 [n], distance.
    """
    return (scores if weights is None else scores * weights).mean(1)


@functools.partial(jax.jit, static_argnames="aggregation")
def image_score(
    maps: tuple[Float[Array, "n _h _w"], ...],
    aggregation: Aggregation = "max",
    weights: Float[Array, " l"] | None = None,
) -> Float[Array, " n"]:
    """Mean over the levels of the largest (or mean) distance in an image; equation 5 per image.

    Args:
        maps: one distance map per level, float32 [n h w].
        aggregation: `max` or `mean` over the locations.
        weights: of the levels, float32 [levels], as from `level_weights`; None weighs all alike.

    Returns:
        float32 [n], distance.
    """
    return weighted_mean(level_scores(maps, aggregation), weights)


@functools.partial(jax.jit, static_argnames="size")
def anomaly_map(
    maps: tuple[Float[Array, "n _h _w"], ...],
    size: int,
    weights: Float[Array, " l"] | None = None,
) -> Float[Array, "n {size} {size}"]:
    """Distance of every pixel: each level upsampled bilinearly, then their mean.

    Upsampling is linear, so levels of one resolution are added first and enlarged once.

    Args:
        maps: one distance map per level, float32 [n h w].
        size: side of the result, pixels; half-pixel centres, no smoothing.
        weights: of the levels, float32 [levels], as from `level_weights`; None weighs all alike.

    Returns:
        float32 [n size size], distance. Section 3 of the paper.
    """
    weights = np.ones(len(maps), np.float32) if weights is None else weights
    sums = {}
    for weight, level in zip(weights, maps, strict=True):
        sums[level.shape] = sums.get(level.shape, 0.0) + weight * level
    return sum(resize(level, size, size) for level in sums.values()) / len(maps)


def resize(
    level: Float[Array, "n h w *c"], height: int, width: int
) -> Float[Array, "n {height} {width} *c"]:
    """Bilinear interpolation, half-pixel centres; antialiased, as Pillow's, where it shrinks.

    Args:
        level: float32 [n h w] or [n h w c].
        height: of the result.
        width: of the result.
    """
    rows, columns = _interpolation(level.shape[1], height), _interpolation(level.shape[2], width)
    # Two small matrix products: columns of h values by `rows`, rows of w values by `columns`.
    multiplied = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    last = jnp.moveaxis(level, (1, 2), (-2, -1))
    return jnp.moveaxis(multiplied(multiplied(rows, last), columns.T), (-2, -1), (1, 2))


def correlate(
    level: Float[Array, "n h w *c"],
    down: Float[np.ndarray, " k"],
    across: Float[np.ndarray, " l"],
) -> Float[Array, "n h w *c"]:
    """y[p, q] = sum over a, b of down[a] across[b] x[p + a - k // 2, q + b - l // 2].

    Args:
        level: x, float32 [n h w] or [n h w c], mirrored at its border as SciPy's filters do.
        down: weights of rows, an odd number k.
        across: weights of columns, an odd number l.
    """
    for axis, kernel in ((1, down), (2, across)):
        size, radius = level.shape[axis], len(kernel) // 2
        pads = [(radius, radius) if place == axis else (0, 0) for place in range(level.ndim)]
        padded = jnp.pad(level, pads, mode="symmetric")
        level = sum(
            np.float32(weight) * lax.slice_in_dim(padded, shift, shift + size, axis=axis)
            for shift, weight in enumerate(kernel)
        )
    return level


@functools.cache
def _interpolation(length: int, size: int) -> Float[np.ndarray, "size length"]:
    """The matrix that interpolates `length` values at `size` places, half-pixel centres."""
    places = (np.arange(size) + 0.5) * length / size - 0.5
    distances = np.abs(places[:, None] - np.arange(length))
    weights = np.maximum(1 - distances / max(length / size, 1), 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@jax.jit
def level_weights(scores: Float[Array, "n l"]) -> Float[Array, " l"]:
    """Weights that measure each level in its own spread over good images.

    A sum of distances is decided by the levels whose distances vary most, whatever they know of
    defects. With w = 1 / std, scaled to a mean of 1, each level has the same spread.

    Args:
        scores: `level_scores` of good images that nothing was fitted or tuned on, float32
            [n levels].

    Returns:
        float32 [levels], mean 1; a level without spread weighs 0, and where none has any, of a
        single image say, all weigh 1.
    """
    spread = scores.std(0)
    weights = jnp.where(spread > 0, 1 / jnp.where(spread > 0, spread, 1), 0)
    weights = jnp.where((spread > 0).any(), weights, 1.0)
    return weights / weights.mean()
