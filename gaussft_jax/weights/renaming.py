"""Names and shapes of other projects' EfficientNet weights turned into ours, and checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["check", "our_names", "rename"]

_ENDS = ("stem/conv", "stem/norm", "head/conv", "head/norm")
_BLOCK = (
    *("expand/conv", "expand/norm", "depthwise/conv", "depthwise/norm"),
    *("squeeze/reduce", "squeeze/expand", "project/conv", "project/norm"),
)


class _Layout(NamedTuple):
    """Module names of another project, in the order of `_ENDS` and `_BLOCK`.

    Attributes:
        ends: stem and head.
        classifier: dropped.
        prefix: of a block's modules; `flat` counts blocks over all stages, `stage` from 1.
        block: modules of a block.
        plain: modules of a block of the first stage, which does not expand.
    """

    ends: str
    classifier: str
    prefix: str
    block: str
    plain: str


_LAYOUTS = (
    _Layout(  # lukemelas
        ends="_conv_stem _bn0 _conv_head _bn1",
        classifier="_fc",
        prefix="_blocks.{flat}.",
        block="_expand_conv _bn0 _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2",
        plain="_depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2",
    ),
    _Layout(  # timm
        ends="conv_stem bn1 conv_head bn2",
        classifier="classifier",
        prefix="blocks.{stage_from_0}.{index}.",
        block="conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3",
        plain="conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2",
    ),
    _Layout(  # torchvision
        ends="features.0.0 features.0.1 features.8.0 features.8.1",
        classifier="classifier.1",
        prefix="features.{stage}.{index}.block.",
        block="0.0 0.1 1.0 1.1 2.fc1 2.fc2 3.0 3.1",
        plain="0.0 0.1 1.fc1 1.fc2 2.0 2.1",
    ),
)
# Their leaf -> our collection and leaf.
_CONV = {"weight": ("params", "kernel")}
_SQUEEZE = {**_CONV, "bias": ("params", "bias")}
_NORM = {
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
_LEAVES = {"conv": _CONV, "norm": _NORM, "reduce": _SQUEEZE, "expand": _SQUEEZE}
_COUNT = "num_batches_tracked"


def our_names(source: Iterable[str], repeats: Sequence[int]) -> dict[str, str]:
    """Our name of every array in a file.

    Args:
        source: names in a lukemelas (also efficientnet-lite-pytorch), timm (`tf_efficientnet_*`) or
            torchvision (`efficientnet_*`) file, or our own.
        repeats: blocks in each of the seven stages.

    Returns:
        Their name -> our `/`-joined name, the Flax collection first. Classifiers and counts of
        batches are left out; what is unknown is mapped to itself.

    Raises:
        ValueError: the names are of no known layout.
    """
    source = list(source)
    if "params/stem/conv/kernel" in source:
        return {name: name for name in source}
    stems = {f"{layout.ends.split()[0]}.weight": layout for layout in _LAYOUTS}
    layout = next((layout for stem, layout in stems.items() if stem in source), None)
    if layout is None:
        raise ValueError(
            f"its names are of no known layout: none is {' or '.join(stems)} or "
            f"params/stem/conv/kernel, and the first are {', '.join(source[:5]) or 'none'}"
        )
    modules = dict(_modules(layout, repeats))
    names = {}
    for name in source:
        module, _, leaf = name.rpartition(".")
        ours = modules.get(module, "")
        leaves = _LEAVES.get(ours.rpartition("/")[2], {})
        if leaf in leaves:
            collection, our_leaf = leaves[leaf]
            names[name] = f"{collection}/{ours}/{our_leaf}"
        elif module != layout.classifier and not (leaves is _NORM and leaf == _COUNT):
            names[name] = name
    return names


def rename(source: Mapping[str, np.ndarray], repeats: Sequence[int]) -> dict[str, np.ndarray]:
    """The weights of an EfficientNet under our names (see `our_names`) and in our shapes.

    A 1x1 convolution [c_out c_in 1 1] becomes a matrix [c_in c_out], a depthwise one [c 1 k k]
    becomes [k k c], the stem [c 3 3 3] becomes [3 3 3 c].

    Args:
        source: arrays by their names in the file.
        repeats: blocks in each of the seven stages.

    Returns:
        Contiguous float32 arrays by our names.

    Raises:
        ValueError: the names are of no known layout.
    """
    arrays = {}
    for theirs, ours in our_names(source, repeats).items():
        array = source[theirs] if theirs == ours else _reshape(source[theirs], ours)
        arrays[ours] = np.ascontiguousarray(array, np.float32)
    return arrays


def _modules(layout: _Layout, repeats: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Every module's name in `layout`, and ours."""
    yield from zip(layout.ends.split(), _ENDS, strict=True)
    blocks = [(s, r) for s, repeat in enumerate(repeats, start=1) for r in range(repeat)]
    for flat, (stage, index) in enumerate(blocks):
        theirs, ours = (layout.plain, _BLOCK[2:]) if stage == 1 else (layout.block, _BLOCK)
        prefix = layout.prefix.format(flat=flat, stage=stage, stage_from_0=stage - 1, index=index)
        for their, our in zip(theirs.split(), ours, strict=True):
            yield f"{prefix}{their}", f"stage{stage}_block{index}/{our}"


def _reshape(array: np.ndarray, name: str) -> np.ndarray:
    """A kernel [c_out c_in h w] in our shape; what is none is left for `check` to see."""
    if array.ndim != 4 or not name.endswith("/kernel"):
        return array
    kernel = array.transpose(2, 3, 1, 0)
    height, width, inputs, outputs = kernel.shape
    if name.endswith("stem/conv/kernel"):
        return kernel
    if name.endswith("depthwise/conv/kernel"):
        return kernel.reshape(height, width, inputs * outputs)
    return kernel.reshape(height * width * inputs, outputs)


def check(
    arrays: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[int, ...]],
    source: str | Path = "weights",
    origins: Mapping[str, str] | None = None,
) -> None:
    """Make sure that names and shapes are exactly those of a network.

    Args:
        arrays: as `rename` returns them.
        expected: shape of each of the network's variables by name.
        source: file to name in the error.
        origins: our name -> the file's own, for the unexpected ones.

    Raises:
        ValueError: arrays are missing, unexpected or misshapen; the message lists all three.
    """
    differences = {
        "missing": [name for name in expected if name not in arrays],
        "unexpected": [(origins or {}).get(n, n) for n in arrays if n not in expected],
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
