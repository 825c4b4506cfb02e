"""A Gaussian per location from fewer images than features, without a c x c matrix.

The covariance of n images has rank n - 1 at most. Shrunk, it is that part plus a scaled identity,
Sigma = V diag(e) V' + r I, whose inverse needs V alone (Woodbury): an image costs c n instead of
c^2 numbers per location.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.gaussian.moments import float64, on_cpu
from gaussft_jax.gaussian.shrinkage import shrinkage_of

__all__ = ["LowRankGaussian", "fit_low_rank", "squared_distance"]


class LowRankGaussian(NamedTuple):
    """A normal distribution per location whose covariance is a scaled identity plus a low rank.

    Attributes:
        mean: float32 [h w c].
        basis: V, orthonormal directions in which the images differ, float32 [h w c k].
        precision: variance^-1 along each direction, float32 [h w k].
        rest: variance^-1 in all other directions, float32 [h w].
        shrinkage: the Ledoit-Wolf weight of the identity, fraction, float32 [h w].
    """

    mean: Float[Array, "h w c"]
    basis: Float[Array, "h w c k"]
    precision: Float[Array, "h w k"]
    rest: Float[Array, "h w"]
    shrinkage: Float[Array, "h w"]


def fit_low_rank(features: Float[np.ndarray, "n h w c"]) -> LowRankGaussian:
    """The local Gaussian of all images, equal to the dense one.

    The spectrum of S = X'X / n comes from the n x n matrix XX' / n at each location.

    Args:
        features: one level of all images, float [n h w c], n - 1 < c.
    """
    with on_cpu():
        arrays = [np.asarray(x, np.float32) for x in _fit(features)]
    return LowRankGaussian(*map(jnp.asarray, arrays))


@float64
def _fit(features):
    x = features.astype(jnp.float64)
    mean = x.mean(0)
    x = jnp.moveaxis(x - mean, 0, 2)  # [h w n c]
    _, _, n, c = x.shape
    inner = x @ jnp.swapaxes(x, -1, -2) / n
    variance, left = jnp.linalg.eigh(inner)
    # The smallest is the direction that centring took away.
    variance, left = jnp.maximum(variance[..., 1:], 0), left[..., 1:]
    norms = jnp.sqrt(n * variance)[..., None, :]
    basis = jnp.swapaxes(x, -1, -2) @ left / jnp.where(norms > 0, norms, 1)
    m = variance.sum(-1) / c
    delta = jnp.square(variance - m[..., None]).sum(-1) / c + (c - n + 1) / c * jnp.square(m)
    fourth = jnp.square(jnp.square(x).sum(-1)).sum(-1)
    a = shrinkage_of(n, c, delta, jnp.square(variance).sum(-1), fourth)
    rest = a * m
    precision = 1 / ((1 - a)[..., None] * variance + rest[..., None])
    return mean, basis, precision, 1 / rest, a


def squared_distance(
    gaussian: LowRankGaussian, features: Float[Array, "n h w c"]
) -> Float[Array, "n h w"]:
    """Squared Mahalanobis distance: sum_k (v_k' r)^2 precision_k + |r - V V' r|^2 rest.

    Args:
        gaussian: the level's distribution.
        features: the level, float32 [n h w c].

    Returns:
        float32 [n h w], squared distance.
    """
    r = features - gaussian.mean
    along = jnp.einsum("nhwc,hwck->nhwk", r, gaussian.basis, precision=lax.Precision.HIGHEST)
    inside = jnp.square(along)
    # By Pythagoras; the other directions hold a part of r that is not small beside the whole.
    outside = jnp.maximum(jnp.square(r).sum(-1) - inside.sum(-1), 0)
    return (inside * gaussian.precision).sum(-1) + outside * gaussian.rest
