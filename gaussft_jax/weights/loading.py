"""Any weight file, told by its content, as the variables of a network."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from gaussft_jax.arrays import load_arrays
from gaussft_jax.weights.converted import load_converted
from gaussft_jax.weights.renaming import check
from gaussft_jax.weights.torch_file import read_torch

__all__ = ["load_weights", "read_weights"]


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a PyTorch or safetensors file by their names there.

    Raises:
        ValueError: the file is neither, damaged, or asks for more than tensors and containers.
    """
    with Path(path).open("rb") as file:
        head = file.read(9)
    # safetensors starts with the length of its JSON header, 8 bytes; no PyTorch file has a brace
    # behind them.
    is_safetensors = len(head) == 9 and head[8:] == b"{" and struct.unpack("<q", head[:8])[0] > 0
    return load_arrays(path) if is_safetensors else read_torch(path)


def load_weights(
    path: str | Path,
    read: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]],
    expected: Mapping[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """The variables of a network from a converted folder, a PyTorch or a safetensors file.

    Args:
        path: folder or file.
        read: from the arrays of another project's file to the network's own, as `Backbone.read`;
            not asked where the names in the file are ours.
        expected: shape of every variable by `/`-joined name.

    Returns:
        float32 arrays by the names of `expected`.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: the file is damaged or does not fit; the message lists the differences.
    """
    path = Path(path)
    source = load_converted(path) if path.is_dir() else read_weights(path)
    ours = any(name.startswith("params/") for name in source)
    try:
        arrays = source if ours else read(source)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    check(arrays, expected, path)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
