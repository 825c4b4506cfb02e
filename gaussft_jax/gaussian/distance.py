"""A Gaussian per level, and the distances that follow from it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
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

    @classmethod
    def from_samples(cls, samples: Float[Array | np.ndarray, "n c"]) -> "Gaussian":
        """The Gaussian of any rows of features, with Ledoit-Wolf shrinkage.

        Args:
            samples: float32 [n c], two rows or more.

        Raises:
            ValueError: see `fit_gaussians`.
        """
        from gaussft_jax.gaussian.fit import fit_gaussians  # builds on this file

        rows = jnp.asarray(samples, jnp.float32)[:, None, None]
        (gaussian,) = fit_gaussians(lambda: iter([((rows,), jnp.ones(len(rows), bool))]), "global")
        return gaussian


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
    centred, precise = features - gaussian.mean, lax.Precision.HIGHEST
    if gaussian.whitening.ndim == 2:
        return jnp.matmul(centred, gaussian.whitening, precision=precise)
    return jnp.einsum("nhwc,hwcd->nhwd", centred, gaussian.whitening, precision=precise)


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

    Raises:
        ValueError: features of other locations, or of another number, than the Gaussian's.
    """
    expected = gaussian.mean.shape if gaussian.mean.ndim == 3 else gaussian.mean.shape[-1:]
    if features.shape[-len(expected) :] != expected:
        raise ValueError(
            f"features {list(features.shape)} are not of this Gaussian's level, which has "
            f"{list(expected)}: is it another level, network or image size?"
        )
    if isinstance(gaussian, LowRankGaussian):
        return safe_sqrt(squared_distance(gaussian, features))
    return safe_sqrt(jnp.square(whiten(gaussian, features)).sum(-1))
