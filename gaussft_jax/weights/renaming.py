"""Another project's weights under a network's own names and in its shapes, and checked."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

__all__ = ["check", "names_by_module", "rename", "unknown_layout"]


# Their leaf -> our collection and leaf, by the last word of our module.
_CONV = {"weight": ("params", "kernel")}
_DENSE = {**_CONV, "bias": ("params", "bias")}
_NORM = {
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
_LEAVES = {"conv": _CONV, "norm": _NORM, "reduce": _DENSE, "expand": _DENSE}
_COUNT = "num_batches_tracked"


def names_by_module(
    source: Iterable[str], modules: Mapping[str, str], classifier: str
) -> dict[str, str]:
    """Our name of every array in a file; what is unknown keeps its own.

    Args:
        source: names in the file.
        modules: their module -> ours, whose last word is one of `_LEAVES`.
        classifier: their module that is left out, as are counts of batches.
    """
    names = {}
    for name in source:
        module, _, leaf = name.rpartition(".")
        ours = modules.get(module, "")
        leaves = _LEAVES.get(ours.rpartition("/")[2], {})
        if leaf in leaves:
            collection, our_leaf = leaves[leaf]
            names[name] = f"{collection}/{ours}/{our_leaf}"
        elif module != classifier and not (leaves is _NORM and leaf == _COUNT):
            names[name] = name
    return names


def rename(source: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Arrays under our names and in our shapes.

    The kernel of a convolution [c_out c_in h w] becomes [h w c_in c_out], a 1x1 one a matrix
    [c_in c_out], a depthwise one [c 1 h w] becomes [h w c]; a matrix [c_out c_in] is transposed.

    Args:
        source: arrays by their names in the file.
        names: their name -> our `/`-joined name; others are left out.

    Returns:
        Contiguous float32 arrays by our names.
    """
    arrays = {}
    for theirs, ours in names.items():
        arrays[ours] = np.ascontiguousarray(_reshape(source[theirs], ours), np.float32)
    return arrays


def _reshape(array: np.ndarray, name: str) -> np.ndarray:
    """A kernel [c_out c_in h w] or [c_out c_in] in our shape; all else as it is."""
    if array.ndim not in (2, 4) or not name.endswith("/kernel"):
        return array
    if array.ndim == 2:
        return array.T
    kernel = array.transpose(2, 3, 1, 0)
    if kernel.shape[:2] == (1, 1):
        return kernel[0, 0]
    return kernel[:, :, 0] if kernel.shape[2] == 1 else kernel


def unknown_layout(source: Iterable[str], known: Iterable[str]) -> ValueError:
    """The error for a file none of whose names is the one by which a layout is known.

    Args:
        source: names in the file.
        known: a name of each layout.
    """
    first = ", ".join(list(source)[:5]) or "none"
    return ValueError(
        f"its names are of no known layout: none is {' or '.join(known)}, and the first are {first}"
    )


def check(
    arrays: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[int, ...]],
    source: str | Path = "weights",
) -> None:
    """Make sure that names and shapes are exactly those of a network.

    Args:
        arrays: as `rename` returns them.
        expected: shape of each of the network's variables by name.
        source: file to name in the error.

    Raises:
        ValueError: arrays are missing, unexpected or misshapen; the message lists all three.
    """
    differences = {
        "missing": [name for name in expected if name not in arrays],
        "unexpected": [name for name in arrays if name not in expected],
        "misshapen": [
            f"{name} {list(arrays[name].shape)} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in arrays and arrays[name].shape != shape
        ],
    }
    lists = [_listed(kind, names) for kind, names in differences.items() if names]
    if lists:
        raise ValueError("\n".join([f"{source} does not fit the network", *lists]))


def _listed(kind: str, names: list[str], most: int = 20) -> str:
    rest = [f"... and {len(names) - most} more"] if len(names) > most else []
    return "\n  ".join([f"{len(names)} {kind}:", *names[:most], *rest])
