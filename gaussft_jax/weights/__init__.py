"""Weight files: found, read without torch, renamed, checked, converted."""

from gaussft_jax.weights.converted import load_converted, save_converted
from gaussft_jax.weights.loading import load_weights, read_weights
from gaussft_jax.weights.renaming import check, rename
from gaussft_jax.weights.store import SOURCES, Source, locate
from gaussft_jax.weights.torch_file import read_torch

__all__ = [
    "SOURCES",
    "Source",
    "check",
    "load_converted",
    "load_weights",
    "locate",
    "read_torch",
    "read_weights",
    "rename",
    "save_converted",
]
