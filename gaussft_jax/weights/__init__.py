"""Weight files: found, read without torch, renamed, checked, converted."""

from gaussft_jax.weights.converted import METADATA, load_converted, save_converted
from gaussft_jax.weights.loading import load_weights, read_weights
from gaussft_jax.weights.renaming import check, names_by_module, rename, unknown_layout
from gaussft_jax.weights.store import Source, downloads, locate
from gaussft_jax.weights.torch_file import read_torch

__all__ = [
    "METADATA",
    "Source",
    "check",
    "downloads",
    "load_converted",
    "load_weights",
    "locate",
    "names_by_module",
    "read_torch",
    "read_weights",
    "rename",
    "save_converted",
    "unknown_layout",
]
