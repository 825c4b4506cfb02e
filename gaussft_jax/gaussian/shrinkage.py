"""A covariance that can be inverted, from streamed moments."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from gaussft_jax.gaussian.moments import Residuals, float64

__all__ = ["Covariance", "ledoit_wolf", "sample_covariance"]

Covariance = Callable[[Residuals], tuple[Float[Array, "*location c c"], Float[Array, "*location"]]]


@float64
def ledoit_wolf(
    moments: Residuals,
) -> tuple[Float[Array, "*location c c"], Float[Array, "*location"]]:
    """Shrunk covariance and the shrinkage, as scikit-learn's `LedoitWolf` of the same rows.

    With S = X'X / n over n centred rows of p features and m = tr(S) / p:
    delta = (|S|_F^2 - p m^2) / p, beta = (sum_k |x_k|^4 / n - |S|_F^2) / (p n),
    a = min(beta, delta) / delta, Sigma = (1 - a) S + a m I.

    Args:
        moments: residual sums with any leading locations.

    Returns:
        Sigma, float64 [... c c], and a, fraction in [0, 1], float64 [...].

    Reference:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices,
        2004; section 3 of the paper.
    """
    n, p = moments.count, moments.gram.shape[-1]
    S = moments.gram / n
    squared_norm = jnp.square(S).sum((-2, -1))
    m = jnp.trace(S, axis1=-2, axis2=-1) / p
    # Equal by definition to the squared distance from S to m I, which cancels less than
    # |S|_F^2 - p m^2 where S is nearly isotropic.
    eye = jnp.eye(p)
    delta = jnp.square(S - m[..., None, None] * eye).sum((-2, -1)) / p
    shrinkage = shrinkage_of(n, p, delta, squared_norm, moments.fourth)
    a = shrinkage[..., None, None]
    return (1 - a) * S + a * m[..., None, None] * eye, shrinkage


def shrinkage_of(n, p, delta, squared_norm, fourth):
    """The weight a of the identity from the sums in `ledoit_wolf`, float64 [...]."""
    beta = jnp.clip((fourth / n - squared_norm) / (p * n), 0.0, delta)
    return jnp.where(beta > 0, beta / jnp.where(delta > 0, delta, 1.0), 0.0)


@functools.cache
def sample_covariance(ridge: float) -> Covariance:
    """A function from moments to sum r r' / (n - 1) + ridge I, and to a shrinkage of 0.

    Args:
        ridge: added to the diagonal, in squared units of the features.
    """

    @float64
    def covariance(moments: Residuals):
        eye = jnp.eye(moments.gram.shape[-1])
        return moments.gram / (moments.count - 1) + ridge * eye, jnp.zeros(moments.fourth.shape)

    return covariance
