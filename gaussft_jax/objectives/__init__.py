"""Objectives behind one interface: fit references, map distances, train."""

from gaussft_jax.objectives.deep_svdd import deep_svdd, norm_map
from gaussft_jax.objectives.fcdd import fcdd, hypersphere_loss, level_mask, pseudo_huber_map
from gaussft_jax.objectives.gaussian import gaussian
from gaussft_jax.objectives.objective import Maps, Objective

__all__ = [
    "Maps",
    "Objective",
    "deep_svdd",
    "fcdd",
    "gaussian",
    "hypersphere_loss",
    "level_mask",
    "norm_map",
    "pseudo_huber_map",
]
