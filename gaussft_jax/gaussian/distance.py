"""A Gaussian per level, and the distances that follow from it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.gaussian.low_rank import LowRankGaussian, squared_distance

__all__ = ["Gaussian", "mahalanobis_map", "safe_sqrt", "whiten"]


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
def mahalanobis_map(
    gaussian: Gaussian | LowRankGaussian, features: Float[Array, "n h w c"]
) -> Float[Array, "n h w"]:
    """Mahalanobis distance of the feature at every location.

    A = sqrt((x - mean)' Sigma^-1 (x - mean)), equation 4, through the Cholesky factor of Sigma.

    Args:
        gaussian: the level's distribution.
        features: the level, float32 [n h w c].

    Returns:
        float32 [n h w], distance (not squared); its gradient is finite at 0.
    """
    if isinstance(gaussian, LowRankGaussian):
        return safe_sqrt(squared_distance(gaussian, features))
    return safe_sqrt(jnp.square(whiten(gaussian, features)).sum(-1))
