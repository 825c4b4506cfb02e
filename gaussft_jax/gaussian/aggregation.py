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
    "enlarge",
    "image_score",
    "level_scores",
    "level_weights",
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
    return sum(enlarge(level, size, size) for level in sums.values()) / len(maps)


def enlarge(
    level: Float[Array, "n h w *c"], height: int, width: int
) -> Float[Array, "n {height} {width} *c"]:
    """Bilinear interpolation, half-pixel centres, as two small matrix products.

    Args:
        level: float32 [n h w] or [n h w c].
        height: of the result; below h, weighted means of the rows that each new one covers.
        width: of the result, likewise.
    """
    rows, columns = _interpolation(level.shape[1], height), _interpolation(level.shape[2], width)
    multiplied = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    last = jnp.moveaxis(level, (1, 2), (-2, -1))
    return jnp.moveaxis(multiplied(multiplied(rows, last), columns.T), (-2, -1), (1, 2))


@functools.cache
def _interpolation(length: int, size: int) -> Float[np.ndarray, "size length"]:
    """The matrix that interpolates `length` values at `size` places, half-pixel centres."""
    places = (np.arange(size) + 0.5) * length / size - 0.5
    distances = np.abs(places[:, None] - np.arange(length)) / max(length / size, 1)
    weights = np.maximum(1 - distances, 0)
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
