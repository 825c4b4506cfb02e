"""Deep SVDD: distance to the mean of the pre-trained features, correlations ignored."""

import functools
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from gaussft_jax.gaussian import Aggregation, fit_means, image_score, safe_sqrt
from gaussft_jax.objectives.objective import Objective

__all__ = ["deep_svdd", "norm_map"]

Norm = Literal["l1", "l2"]


def norm_map(
    centre: Float[Array, "h w c"], features: Float[Array, "n h w c"], norm: Norm
) -> Float[Array, "n h w"]:
    """Distance |x - c|_1 or |x - c|_2 of the feature at every location.

    Args:
        centre: float32 [h w c].
        features: float32 [n h w c].
        norm: `l1` or `l2`.

    Returns:
        float32 [n h w], distance (not squared); its gradient is finite at 0.
    """
    difference = features - centre
    if norm == "l1":
        return jnp.abs(difference).sum(-1)
    return safe_sqrt(jnp.square(difference).sum(-1))


@functools.cache
def deep_svdd(norm: Norm = "l1", aggregation: Aggregation = "max") -> Objective:
    """The objective of equation 1 on every level, with lambda = 0.

    Args:
        norm: `l1` as printed in equation 1, or `l2`.
        aggregation: `max` or `mean` over the locations of a level.

    Reference:
        Ruff et al., Deep one-class classification, 2018.
    """
    return Objective(
        fit=fit_means,
        maps=lambda centres, levels: tuple(
            norm_map(centre, level, norm) for centre, level in zip(centres, levels, strict=True)
        ),
        loss=lambda maps, masks: image_score(maps, aggregation),
        aggregation=aggregation,
    )
