"""Deep SVDD: distance to the mean of the pre-trained features, correlations ignored."""

import dataclasses
from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from gaussft_jax.gaussian import Aggregation, fit_means, image_score, safe_sqrt
from gaussft_jax.methods.gaussian_fine_tune import AGGREGATION
from gaussft_jax.methods.method import Method, option

__all__ = ["DeepSVDD", "norm_map"]

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


@dataclasses.dataclass(frozen=True)
class DeepSVDD(Method):
    """Equation 1 on every level, with lambda = 0: the distance to the mean feature.

    Attributes:
        norm: `l1` as printed in equation 1, or `l2`.
        aggregation: `max` or `mean` over the locations of a level.

    Reference:
        Ruff et al., Deep one-class classification, 2018.
    """

    name: ClassVar[str] = "deep_svdd"
    tunable: ClassVar[bool] = True

    norm: Norm = option("l1", "svdd_norm", "norm of the distance to the mean: l1 or l2")
    aggregation: Aggregation = option(*AGGREGATION)

    def fit(self, batches):
        return fit_means(batches)

    def level_maps(self, references, levels):
        pairs = zip(references, levels, strict=True)
        return tuple(norm_map(centre, level, self.norm) for centre, level in pairs)

    def loss(self, maps, masks):
        return image_score(maps, self.aggregation)
