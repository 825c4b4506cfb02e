"""A Gaussian per level, and the distances, scores and maps that follow from it."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

__all__ = [
    "Aggregation",
    "Gaussian",
    "anomaly_map",
    "image_score",
    "mahalanobis_map",
    "safe_sqrt",
    "whiten",
]

Aggregation = Literal["max", "mean"]


class Gaussian(NamedTuple):
    """A normal distribution of the features of one level.

    Attributes:
        mean: float32 [h w c], or [c] where all locations share it (global).
        whitening: W = inverse of L' with Sigma = L L', so that |(x - mean) W| is the Mahalanobis
            distance; float32 [c c], or [h w c c] where every location has its own (local).
        shrinkage: the Ledoit-Wolf weight of the identity, fraction, float32 [] or [h w].
    """

    mean: Float[Array, "*location c"]
    whitening: Float[Array, "*location c c"]
    shrinkage: Float[Array, "*location"]


@jax.jit
def safe_sqrt(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Square root whose gradient at 0 is 0 instead of infinite; NaN stays NaN."""
    zero = x <= 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, x)))


@jax.jit
def whiten(gaussian: Gaussian, features: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Features whose components are uncorrelated with unit variance: z = L^-1 (x - mean).

    Args:
        gaussian: the level's distribution.
        features: the level, float32 [n h w c].

    Returns:
        float32 [n h w c], in standard deviations.
    """
    product = "nhwc,hwcd->nhwd" if gaussian.whitening.ndim == 4 else "nhwc,cd->nhwd"
    centred = features - gaussian.mean
    return jnp.einsum(product, centred, gaussian.whitening, precision=lax.Precision.HIGHEST)


@jax.jit
def mahalanobis_map(gaussian: Gaussian, features: Float[Array, "n h w c"]) -> Float[Array, "n h w"]:
    """Mahalanobis distance of the feature at every location.

    A = sqrt((x - mean)' Sigma^-1 (x - mean)), equation 4, through the Cholesky factor of Sigma.

    Args:
        gaussian: the level's distribution.
        features: the level, float32 [n h w c].

    Returns:
        float32 [n h w], distance (not squared); its gradient is finite at 0.
    """
    return safe_sqrt(jnp.square(whiten(gaussian, features)).sum(-1))


@functools.partial(jax.jit, static_argnames="aggregation")
def image_score(
    maps: tuple[Float[Array, "n _h _w"], ...], aggregation: Aggregation = "max"
) -> Float[Array, " n"]:
    """Mean over the levels of the largest (or mean) distance in an image; equation 5 per image.

    Args:
        maps: one distance map per level, float32 [n h w].
        aggregation: `max` or `mean` over the locations.

    Returns:
        float32 [n], distance.
    """
    reduce = {"max": jnp.max, "mean": jnp.mean}[aggregation]
    return jnp.stack([reduce(level, axis=(1, 2)) for level in maps]).mean(0)


@functools.partial(jax.jit, static_argnames="size")
def anomaly_map(
    maps: tuple[Float[Array, "n _h _w"], ...], size: int
) -> Float[Array, "n {size} {size}"]:
    """Distance of every pixel: each level upsampled bilinearly, then their plain mean.

    Args:
        maps: one distance map per level, float32 [n h w].
        size: side of the result, pixels; half-pixel centres, no smoothing.

    Returns:
        float32 [n size size], distance. Section 3 of the paper.
    """
    total = sum(
        jax.image.resize(level, (level.shape[0], size, size), "bilinear", antialias=False)
        for level in maps
    )
    return total / len(maps)
