"""A memory bank of features: what it keeps, and how far others are from it; knows no network."""

from gaussft_jax.memory.coreset import coreset
from gaussft_jax.memory.nearest import (
    nearest_distance,
    nearest_squared,
    neighbour_weight,
    squared_distances,
)

__all__ = [
    "coreset",
    "nearest_distance",
    "nearest_squared",
    "neighbour_weight",
    "squared_distances",
]
