"""ResNet weights of torchvision and timm under our names."""

from collections.abc import Iterable, Iterator, Sequence

from gaussft_jax.weights import unknown_layout

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
    arrays = dict(_arrays(repeats))
    dropped = ("fc.weight", "fc.bias")
    return {
        name: arrays.get(name, name)
        for name in source
        if name not in dropped and not name.endswith(".num_batches_tracked")
    }


def _arrays(repeats: Sequence[int]) -> Iterator[tuple[str, str]]:
    """The name of every array, and ours."""
    for conv, norm, ours in _modules(repeats):
        yield f"{conv}.weight", f"params/{ours}/conv/kernel"
        yield f"{norm}.weight", f"params/{ours}/norm/scale"
        yield f"{norm}.bias", f"params/{ours}/norm/bias"
        yield f"{norm}.running_mean", f"batch_stats/{ours}/norm/mean"
        yield f"{norm}.running_var", f"batch_stats/{ours}/norm/var"


def _modules(repeats: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Each convolution with its normalisation, and ours; a block has three of them at most."""
    yield "conv1", "bn1", "stem"
    for stage, count in enumerate(repeats, start=1):
        for block in range(count):
            theirs, ours = f"layer{stage}.{block}", f"stage{stage}_block{block}"
            for i in (1, 2, 3):
                yield f"{theirs}.conv{i}", f"{theirs}.bn{i}", f"{ours}/conv{i}"
            yield f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}/shortcut"
