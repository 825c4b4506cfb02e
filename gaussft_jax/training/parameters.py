"""Which parameters are tuned."""

import re

from flax.traverse_util import flatten_dict, unflatten_dict

from gaussft_jax.backbones import Variables

__all__ = ["join", "split"]


def split(variables: Variables, trainable: str) -> tuple[dict, dict]:
    """The parameters that are tuned, and all other variables.

    Args:
        variables: `params` and `batch_stats`.
        trainable: as in `Recipe`.

    Returns:
        Two flat dictionaries {path: array}; the statistics are always in the second.

    Raises:
        ValueError: `trainable` is none of the known words.
    """
    chosen = _rule(trainable)
    tuned, fixed = {}, {}
    for path, leaf in flatten_dict(variables, sep="/").items():
        collection, _, rest = path.partition("/")
        (tuned if collection == "params" and chosen(rest) else fixed)[path] = leaf
    return tuned, fixed


def join(tuned: dict, fixed: dict) -> Variables:
    """The variables that `split` took apart."""
    return unflatten_dict(tuned | fixed, sep="/")


def _rule(trainable: str):
    if trainable == "all":
        return lambda path: True
    if trainable == "affine":
        return lambda path: "/norm/" in path
    if match := re.fullmatch(r"level ([0-8])", trainable):
        return lambda path: _level(path) >= int(match[1])
    raise ValueError(f"trainable={trainable!r}; choose all, affine, or level 0 ... level 8")


def _level(path: str) -> int:
    """The first level that depends on a parameter."""
    module = path.split("/")[0]
    if module.startswith("stage"):
        return int(module[len("stage")])
    return 0 if module == "stem" else 8
