"""The paper's objective: Mahalanobis distance to the Gaussians of the pre-trained features."""

import functools

from gaussft_jax.gaussian import (
    Aggregation,
    Gaussian,
    Kind,
    LowRankGaussian,
    fit_gaussians,
    image_score,
    mahalanobis_map,
)
from gaussft_jax.objectives.objective import Levels, Maps, Objective

__all__ = ["gaussian", "mahalanobis_maps"]


def mahalanobis_maps(gaussians: tuple[Gaussian | LowRankGaussian, ...], levels: Levels) -> Maps:
    """The Mahalanobis distance at every location of each level, float32 [n h w] per level."""
    return tuple(map(mahalanobis_map, gaussians, levels))


@functools.cache
def gaussian(kind: Kind = "tied", aggregation: Aggregation = "max") -> Objective:
    """The objective of equation 5: mean over levels of the largest Mahalanobis distance.

    Args:
        kind: `tied`, `global` or `local` Gaussians.
        aggregation: `max` or `mean` over the locations of a level.
    """
    return Objective(
        fit=functools.partial(fit_gaussians, kind=kind),
        maps=mahalanobis_maps,
        loss=lambda maps, masks: image_score(maps, aggregation),
        aggregation=aggregation,
    )
