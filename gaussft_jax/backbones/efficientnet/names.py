"""EfficientNet weights of other projects under our names."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gaussft_jax.weights import names_by_module, unknown_layout

__all__ = ["our_names"]

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


def our_names(source: Iterable[str], repeats: Sequence[int]) -> dict[str, str]:
    """Our name of every array in a file.

    Args:
        source: names in a lukemelas (also efficientnet-lite-pytorch), timm (`tf_efficientnet_*`) or
            torchvision (`efficientnet_*`) file.
        repeats: blocks in each of the seven stages.

    Returns:
        Their name -> our `/`-joined name, the Flax collection first. Classifiers and counts of
        batches are left out; what is unknown is mapped to itself.

    Raises:
        ValueError: the names are of no known layout.
    """
    source = list(source)
    stems = {f"{layout.ends.split()[0]}.weight": layout for layout in _LAYOUTS}
    layout = next((layout for stem, layout in stems.items() if stem in source), None)
    if layout is None:
        raise unknown_layout(source, stems)
    return names_by_module(source, dict(_modules(layout, repeats)), layout.classifier)


def _modules(layout: _Layout, repeats: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Every module's name in `layout`, and ours."""
    yield from zip(layout.ends.split(), _ENDS, strict=True)
    blocks = [(s, r) for s, repeat in enumerate(repeats, start=1) for r in range(repeat)]
    for flat, (stage, index) in enumerate(blocks):
        theirs, ours = (layout.plain, _BLOCK[2:]) if stage == 1 else (layout.block, _BLOCK)
        prefix = layout.prefix.format(flat=flat, stage=stage, stage_from_0=stage - 1, index=index)
        for their, our in zip(theirs.split(), ours, strict=True):
            yield f"{prefix}{their}", f"stage{stage}_block{index}/{our}"
