"""Converted weights: a folder of weights.safetensors and a JSON of where they come from.

safetensors rather than Orbax: the weights are a flat dict of named arrays that never changes, so
one file that holds no code, has one sha256, opens memory-mapped and is read by any framework is
enough. Orbax, with its folder of shards, is for what training writes.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gaussft_jax.arrays import load_arrays, save_arrays
from gaussft_jax.files import read_json, replacing_folder, write_json

__all__ = ["METADATA", "is_converted", "load_converted", "save_converted"]

_ARRAYS = "weights.safetensors"
METADATA = "weights.json"


def is_converted(folder: Path) -> bool:
    """Whether `folder` was written by `save_converted`."""
    return (folder / METADATA).exists()


def save_converted(
    folder: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write `weights.safetensors` and `weights.json` into `folder`.

    Args:
        folder: made if missing; what an earlier call wrote there is replaced.
        arrays: variables of a network by `/`-joined name.
        metadata: `name`, `source`, `source_sha256` and `licence`; `sha256`, that of
            weights.safetensors, is added to it.

    Raises:
        FileExistsError: the folder holds files, but no converted weights.
    """
    with replacing_folder(folder, METADATA) as beside:
        digest = save_arrays(beside / _ARRAYS, arrays)
        write_json(beside / METADATA, {**metadata, "sha256": digest})


def load_converted(folder: str | Path) -> dict[str, np.ndarray]:
    """The arrays that `save_converted` wrote, by name.

    Raises:
        FileNotFoundError: the folder holds no converted weights.
        ValueError: weights.safetensors is not the file that weights.json describes.
    """
    metadata = Path(folder) / METADATA
    try:
        expected = read_json(metadata)["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{metadata} tells no sha256: convert the weights again") from error
    return load_arrays(Path(folder) / _ARRAYS, expected)
