"""Which parameters are tuned."""

import re
from collections.abc import Callable

from flax.traverse_util import flatten_dict, unflatten_dict

from gaussft_jax.backbones import Variables

__all__ = ["join", "split"]


def split(
    variables: Variables, trainable: str, first_level: Callable[[str], int]
) -> tuple[dict, dict]:
    """The parameters that are tuned, and all other variables.

    Args:
        variables: `params` and `batch_stats`.
        trainable: as in `Recipe`.
        first_level: of the network, the first level that depends on a parameter.

    Returns:
        Two flat dictionaries {path: array}; the statistics are always in the second.

    Raises:
        ValueError: `trainable` is none of the known words.
    """
    chosen = _rule(trainable, first_level)
    tuned, fixed = {}, {}
    for path, leaf in flatten_dict(variables, sep="/").items():
        collection, _, rest = path.partition("/")
        (tuned if collection == "params" and chosen(rest) else fixed)[path] = leaf
    return tuned, fixed


def join(tuned: dict, fixed: dict) -> Variables:
    """The variables that `split` took apart."""
    return unflatten_dict(tuned | fixed, sep="/")


def _rule(trainable: str, first_level: Callable[[str], int]):
    if trainable == "all":
        return lambda path: True
    if trainable == "affine":
        return lambda path: "/norm/" in f"/{path}"
    if match := re.fullmatch(r"level (\d+)", trainable):
        return lambda path: first_level(path) >= int(match[1])
    raise ValueError(f"trainable={trainable!r}; choose all, affine, or level 0, level 1, ...")
