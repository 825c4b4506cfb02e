"""From the distance maps of the levels to one score and one map per image."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["Aggregation", "anomaly_map", "image_score", "level_scores", "level_weights"]

Aggregation = Literal["max", "mean"]


@functools.partial(jax.jit, static_argnames="aggregation")
def level_scores(
    maps: tuple[Float[Array, "n _h _w"], ...], aggregation: Aggregation = "max"
) -> Float[Array, "l n"]:
    """The largest (or mean) distance in each level of an image.

    Args:
        maps: one distance map per level, float32 [n h w].
        aggregation: `max` or `mean` over the locations.

    Returns:
        float32 [levels n], distance.
    """
    reduce = {"max": jnp.max, "mean": jnp.mean}[aggregation]
    return jnp.stack([reduce(level, axis=(1, 2)) for level in maps])


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
    scores = level_scores(maps, aggregation)
    return (scores if weights is None else weights[:, None] * scores).mean(0)


@functools.partial(jax.jit, static_argnames="size")
def anomaly_map(
    maps: tuple[Float[Array, "n _h _w"], ...],
    size: int,
    weights: Float[Array, " l"] | None = None,
) -> Float[Array, "n {size} {size}"]:
    """Distance of every pixel: each level upsampled bilinearly, then their mean.

    Args:
        maps: one distance map per level, float32 [n h w].
        size: side of the result, pixels; half-pixel centres, no smoothing.
        weights: of the levels, float32 [levels], as from `level_weights`; None weighs all alike.

    Returns:
        float32 [n size size], distance. Section 3 of the paper.
    """
    weights = jnp.ones(len(maps)) if weights is None else weights
    total = sum(
        weight * jax.image.resize(level, (level.shape[0], size, size), "bilinear", antialias=False)
        for weight, level in zip(weights, maps, strict=True)
    )
    return total / len(maps)


@jax.jit
def level_weights(scores: Float[Array, "l n"]) -> Float[Array, " l"]:
    """Weights that measure each level in its own spread over good images.

    A sum of distances is decided by the levels whose distances vary most, whatever they know of
    defects. With w = 1 / std, scaled to a mean of 1, each level has the same spread.

    Args:
        scores: `level_scores` of good images that nothing was fitted or tuned on, float32
            [levels n].

    Returns:
        float32 [levels], mean 1; a level without spread weighs 0.
    """
    spread = scores.std(1)
    weights = jnp.where(spread > 0, 1 / jnp.where(spread > 0, spread, 1), 0)
    return weights / weights.mean()
