"""The paper's method: Mahalanobis distance to the Gaussians of the pre-trained features."""

import dataclasses
from typing import ClassVar

from gaussft_jax.gaussian import (
    Aggregation,
    Gaussian,
    Kind,
    LowRankGaussian,
    fit_gaussians,
    image_score,
    mahalanobis_map,
)
from gaussft_jax.methods.method import Levels, Maps, Method, option

__all__ = ["AGGREGATION", "GAUSSIANS", "GaussianFineTune", "mahalanobis_maps"]

AGGREGATION = ("max", "aggregation", "max or mean over the locations of a level")

GAUSSIANS = (Gaussian, LowRankGaussian)
Gaussians = tuple[Gaussian | LowRankGaussian, ...]


def mahalanobis_maps(gaussians: Gaussians, levels: Levels) -> Maps:
    """The Mahalanobis distance at every location of each level, float32 [n h w] per level."""
    return tuple(map(mahalanobis_map, gaussians, levels))


@dataclasses.dataclass(frozen=True)
class GaussianFineTune(Method):
    """Equation 5: the mean over the levels of the largest Mahalanobis distance.

    Attributes:
        kind: `tied` (a mean per location, one covariance), `global` (one of each) or `local` (one
            of each per location).
        aggregation: `max` or `mean` over the locations of a level.

    Reference:
        Rippel, Chavan, Lei and Merhof, Transfer learning Gaussian anomaly detection by fine-tuning
        representations, 2021.
    """

    name: ClassVar[str] = "gaussian"
    parts: ClassVar = GAUSSIANS
    tunable: ClassVar[bool] = True
    passes: ClassVar[int] = 2

    kind: Kind = option("tied", "gaussian", "what locations share: tied, global or local Gaussians")
    aggregation: Aggregation = option(*AGGREGATION)

    def fit(self, batches):
        return fit_gaussians(batches, self.kind)

    def level_maps(self, references, levels):
        return mahalanobis_maps(references, levels)

    def loss(self, maps, masks):
        return image_score(maps, self.aggregation)
