"""Gaussians of features: moments, shrinkage, distance; knows no network and no file."""

from gaussft_jax.gaussian.aggregation import (
    Aggregation,
    anomaly_map,
    image_score,
    level_scores,
    level_weights,
)
from gaussft_jax.gaussian.distance import Gaussian, mahalanobis_map, safe_sqrt, whiten
from gaussft_jax.gaussian.fit import Batches, fit_gaussians, fit_means, gaussian_from_moments
from gaussft_jax.gaussian.moments import Kind, Means, Residuals, means, merge, residuals
from gaussft_jax.gaussian.shrinkage import ledoit_wolf

__all__ = [
    "Aggregation",
    "Batches",
    "Gaussian",
    "Kind",
    "Means",
    "Residuals",
    "anomaly_map",
    "fit_gaussians",
    "fit_means",
    "gaussian_from_moments",
    "image_score",
    "ledoit_wolf",
    "level_scores",
    "level_weights",
    "mahalanobis_map",
    "means",
    "merge",
    "residuals",
    "safe_sqrt",
    "whiten",
]
