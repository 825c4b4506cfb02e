"""PaDiM: a Gaussian per location of a pyramid of features, on a random subset of channels."""

import functools

import numpy as np

from gaussft_jax.gaussian import Aggregation, fit_gaussians, mahalanobis_map, sample_covariance
from gaussft_jax.objectives.objective import Levels, Objective, streamed
from gaussft_jax.objectives.pyramid import pyramid, smooth

__all__ = ["padim"]

_RIDGE = 0.01


@functools.cache
def padim(aggregation: Aggregation = "max", channels: int = 100, seed: int = 0) -> Objective:
    """Mahalanobis distance under N(mean, Sigma + 0.01 I) of each location of the pyramid.

    Args:
        aggregation: `max` or `mean` over the locations, for the image score.
        channels: random subset of the pyramid's channels to keep; all where it has fewer.
        seed: of the subset.

    Reference:
        Defard, Setkov, Loesch and Audigier, PaDiM: a patch distribution modeling framework for
        anomaly detection and localization, 2020.
    """

    def embed(levels: Levels) -> Levels:
        features = pyramid(levels)
        total = features.shape[-1]
        kept = np.random.default_rng(seed).permutation(total)[: min(channels, total)]
        return (features[..., np.sort(kept)],)

    def fit(batches):
        return fit_gaussians(streamed(batches, embed), "local", sample_covariance(_RIDGE))

    def maps(gaussians, levels):
        (features,) = embed(levels)
        return (smooth(mahalanobis_map(gaussians[0], features)),)

    return Objective(fit=fit, maps=maps, aggregation=aggregation)
