"""Objectives behind one interface: fit references, map distances, train."""

from gaussft_jax.objectives.deep_svdd import deep_svdd, norm_map
from gaussft_jax.objectives.fcdd import fcdd, hypersphere_loss, level_mask, pseudo_huber_map
from gaussft_jax.objectives.gaussian import gaussian, mahalanobis_maps
from gaussft_jax.objectives.gaussian_ad import gaussian_ad
from gaussft_jax.objectives.objective import Maps, Objective
from gaussft_jax.objectives.padim import padim
from gaussft_jax.objectives.spade import spade

__all__ = [
    "Maps",
    "Objective",
    "deep_svdd",
    "fcdd",
    "gaussian",
    "gaussian_ad",
    "hypersphere_loss",
    "level_mask",
    "mahalanobis_maps",
    "norm_map",
    "padim",
    "pseudo_huber_map",
    "spade",
]
