"""Named arrays in one file without code, and the digests that tell arrays from others."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from gaussft_jax.files import replacing, sha256_of

__all__ = ["digest_of", "load_arrays", "save_arrays"]


def save_arrays(path: str | Path, arrays: Mapping[str, ArrayLike]) -> str:
    """Write named arrays as a safetensors file in place of `path`; returns its sha256."""
    with replacing(path) as beside:
        beside.write_bytes(save({key: np.ascontiguousarray(x) for key, x in arrays.items()}))
        return sha256_of(beside)


def load_arrays(path: str | Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name.

    Args:
        path: the file.
        sha256: what `save_arrays` returned; None for a file of unknown origin.

    Raises:
        ValueError: the file is damaged, or another than the sha256 says; the message names it.
    """
    if sha256 and (digest := sha256_of(path)) != sha256:
        raise ValueError(
            f"{path} was changed since it was written: its sha256 is {digest}, not {sha256}; "
            "make it again"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: no readable safetensors file: {error}") from error


def digest_of(tree: Any, description: object) -> bytes:
    """16 bytes that are the same for the same arrays under the same description.

    Args:
        tree: arrays.
        description: what else tells them apart, by its `repr`.
    """
    digest = blake2b(repr(description).encode(), digest_size=16)
    for leaf in jax.tree.leaves(tree):
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.digest()
