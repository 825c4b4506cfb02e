"""Gaussian AD: the paper's predecessor, Gaussians of features averaged over the whole image."""

import functools

from gaussft_jax.gaussian import fit_gaussians
from gaussft_jax.objectives.gaussian import mahalanobis_maps
from gaussft_jax.objectives.objective import Levels, Objective, streamed

__all__ = ["gaussian_ad"]


@functools.cache
def gaussian_ad() -> Objective:
    """One Gaussian per level of the features' mean over all locations.

    Its maps have a single location, so that it says which image is anomalous, but not where.

    Reference:
        Rippel, Mertens and Merhof, Modeling the distribution of normal data in pre-trained deep
        features for anomaly detection, 2021.
    """
    fit = functools.partial(fit_gaussians, kind="global")
    return Objective(
        fit=lambda batches: fit(streamed(batches, _pooled)),
        maps=lambda gaussians, levels: mahalanobis_maps(gaussians, _pooled(levels)),
    )


def _pooled(levels: Levels) -> Levels:
    return tuple(level.mean((1, 2), keepdims=True) for level in levels)
