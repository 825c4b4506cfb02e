"""ResNet weights of torchvision and timm under our names."""

from collections.abc import Iterable, Iterator, Sequence

from gaussft_jax.weights import names_by_module, unknown_layout

__all__ = ["our_names"]


def our_names(source: Iterable[str], repeats: Sequence[int]) -> dict[str, str]:
    """Our name of every array in a file of torchvision or timm, or in our own.

    Args:
        source: the names there.
        repeats: blocks in each of the four stages.

    Returns:
        Their name -> our `/`-joined name, the Flax collection first. Classifiers and counts of
        batches are left out; what is unknown is mapped to itself.

    Raises:
        ValueError: the names are of no known layout.
    """
    source = list(source)
    if "conv1.weight" not in source:
        raise unknown_layout(source, ["conv1.weight"])
    modules = {}
    for conv, norm, ours in _modules(repeats):
        modules |= {conv: f"{ours}/conv", norm: f"{ours}/norm"}
    return names_by_module(source, modules, "fc")


def _modules(repeats: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Each convolution with its normalisation, and ours; a block has three of them at most."""
    yield "conv1", "bn1", "stem"
    for stage, count in enumerate(repeats, start=1):
        for block in range(count):
            theirs, ours = f"layer{stage}.{block}", f"stage{stage}_block{block}"
            for i in (1, 2, 3):
                yield f"{theirs}.conv{i}", f"{theirs}.bn{i}", f"{ours}/conv{i}"
            yield f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}/shortcut"
