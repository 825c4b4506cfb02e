"""Gaussians of features: moments, shrinkage, distance; knows no network and no file."""

from gaussft_jax.gaussian.aggregation import (
    Aggregation,
    anomaly_map,
    correlate,
    image_score,
    level_scores,
    level_weights,
    resize,
    weighted_mean,
)
from gaussft_jax.gaussian.distance import Gaussian, mahalanobis_map, safe_sqrt, whiten
from gaussft_jax.gaussian.fit import Batches, fit_gaussians, fit_means, gaussian_from_moments
from gaussft_jax.gaussian.low_rank import LowRankGaussian, fit_low_rank
from gaussft_jax.gaussian.moments import (
    Kind,
    Means,
    Residuals,
    means,
    merge,
    on_host,
    residuals,
    total,
)
from gaussft_jax.gaussian.shrinkage import Covariance, ledoit_wolf, sample_covariance

__all__ = [
    "Aggregation",
    "Batches",
    "Covariance",
    "Gaussian",
    "Kind",
    "LowRankGaussian",
    "Means",
    "Residuals",
    "anomaly_map",
    "correlate",
    "fit_gaussians",
    "fit_low_rank",
    "fit_means",
    "gaussian_from_moments",
    "image_score",
    "ledoit_wolf",
    "level_scores",
    "level_weights",
    "mahalanobis_map",
    "means",
    "merge",
    "on_host",
    "residuals",
    "resize",
    "safe_sqrt",
    "sample_covariance",
    "total",
    "weighted_mean",
    "whiten",
]
