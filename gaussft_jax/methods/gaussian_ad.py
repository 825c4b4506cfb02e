"""Gaussian AD: the paper's predecessor, Gaussians of features averaged over the whole image."""

import dataclasses
from typing import ClassVar

from gaussft_jax.gaussian import fit_gaussians
from gaussft_jax.methods.gaussian_fine_tune import GAUSSIANS, mahalanobis_maps
from gaussft_jax.methods.method import Method, streamed
from gaussft_jax.methods.pooled import pooled

__all__ = ["GaussianAD"]


@dataclasses.dataclass(frozen=True)
class GaussianAD(Method):
    """One Gaussian per level of the features' mean over all locations.

    Its maps have a single location, so that it says which image is anomalous, but not where.

    Reference:
        Rippel, Mertens and Merhof, Modeling the distribution of normal data in pre-trained deep
        features for anomaly detection, 2021.
    """

    name: ClassVar[str] = "gaussian_ad"
    parts: ClassVar = GAUSSIANS
    passes: ClassVar[int] = 2

    def fit(self, batches):
        return fit_gaussians(streamed(batches, pooled), "global")

    def level_maps(self, references, levels):
        return mahalanobis_maps(references, pooled(levels))
