"""PaDiM: a Gaussian per location of a pyramid of features, on a random subset of channels."""

import dataclasses
from typing import ClassVar

import numpy as np

from gaussft_jax.gaussian import Aggregation, fit_gaussians, mahalanobis_map, sample_covariance
from gaussft_jax.methods.gaussian_fine_tune import AGGREGATION, GAUSSIANS
from gaussft_jax.methods.method import Levels, Method, option, streamed
from gaussft_jax.methods.pyramid import pyramid, smooth

__all__ = ["PaDiM"]

_RIDGE = 0.01


@dataclasses.dataclass(frozen=True)
class PaDiM(Method):
    """Mahalanobis distance under N(mean, Sigma + 0.01 I) of each location of the pyramid.

    Attributes:
        aggregation: `max` or `mean` over the locations, for the image score.
        channels: random subset of the pyramid's channels to keep; all where it has fewer.
        seed: of the subset.

    Reference:
        Defard, Setkov, Loesch and Audigier, PaDiM: a patch distribution modeling framework for
        anomaly detection and localization, 2020.
    """

    name: ClassVar[str] = "padim"
    parts: ClassVar = GAUSSIANS
    passes: ClassVar[int] = 2

    aggregation: Aggregation = option(*AGGREGATION)
    channels: int = option(100, "padim_channels", "how many channels, drawn at random, to keep", 1)
    seed: int = option(0, "padim_seed", "of the random channels", 0)

    def fit(self, batches):
        return fit_gaussians(streamed(batches, self._embed), "local", sample_covariance(_RIDGE))

    def level_maps(self, references, levels):
        (features,) = self._embed(levels)
        return (smooth(mahalanobis_map(references[0], features)),)

    def _embed(self, levels: Levels) -> Levels:
        features = pyramid(levels)
        total = features.shape[-1]
        kept = np.random.default_rng(self.seed).permutation(total)[: min(self.channels, total)]
        return (features[..., np.sort(kept)],)
