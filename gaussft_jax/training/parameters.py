"""Which parameters are tuned: some of the network's own, or adapters beside its convolutions."""

import re
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from gaussft_jax.backbones import Variables

__all__ = ["REFERENCES", "join", "split"]

REFERENCES = "references"
"""Where the parameters of a method are among those that are tuned, if they are tuned."""

_ADAPTERS = "adapters/"  # before the path of the kernel that one belongs to
_DEPTHWISE = 3  # axes of a kernel [k k c], which joins no channels


def split(
    variables: Variables, trainable: str, first_level: Callable[[str], int]
) -> tuple[dict, dict]:
    """The parameters that are tuned, and all other variables.

    Args:
        variables: `params` and `batch_stats`.
        trainable: as in `Recipe`.
        first_level: of the network, the first level that depends on a parameter.

    Returns:
        Two flat dictionaries {path: array}; the statistics are always in the second. Of adapters,
        all variables are, and the first has a zero [c_in c_out] for each convolution.

    Raises:
        ValueError: `trainable` is none of the known words, or chooses nothing in this network.
    """
    flat = flatten_dict(variables, sep="/")
    if trainable == "adapters":
        tuned = {
            f"{_ADAPTERS}{path}": np.zeros(kernel.shape[-2:], np.float32)
            for path, kernel in flat.items()
            if path.endswith("/conv/kernel") and kernel.ndim != _DEPTHWISE
        }
    else:
        chosen = _rule(trainable, first_level)
        tuned = {
            path: leaf
            for path, leaf in flat.items()
            if path.startswith("params/") and chosen(path.removeprefix("params/"))
        }
    if not tuned:
        raise ValueError(f"trainable={trainable!r} leaves nothing to tune in this network")
    return tuned, {path: leaf for path, leaf in flat.items() if path not in tuned}


def join(tuned: dict, fixed: dict) -> Variables:
    """The variables of the network that `split` took apart, whatever else is tuned.

    A residual adapter is a convolution of 1 x 1 beside one of k x k, K * x + A * x, whose sum the
    normalisation sees. Where k is odd that is one convolution, by K with A added to the weights in
    its middle, and so no network needs to know of adapters. An adapter beside a convolution of
    1 x 1 is a change of that kernel itself.

    Reference:
        Rebuffi, Bilen and Vedaldi, Efficient parametrization of multi-domain deep neural networks,
        2018; Deecke, Ruff, Vandermeulen and Bilen, Transfer-based semantic anomaly detection, 2021.
    """
    variables = fixed | tuned
    variables.pop(REFERENCES, None)
    for path in [path for path in tuned if path.startswith(_ADAPTERS)]:
        adapter, kernel = variables.pop(path), path.removeprefix(_ADAPTERS)
        middle = tuple(side // 2 for side in fixed[kernel].shape[:-2])
        variables[kernel] = jnp.asarray(fixed[kernel]).at[middle].add(adapter)
    return unflatten_dict(variables, sep="/")


def _rule(trainable: str, first_level: Callable[[str], int]):
    if trainable == "all":
        return lambda path: True
    if trainable == "affine":
        return lambda path: "/norm/" in f"/{path}"
    if match := re.fullmatch(r"level (\d+)", trainable):
        return lambda path: first_level(path) >= int(match[1])
    raise ValueError(
        f"trainable={trainable!r}; choose all, affine, adapters, or level 0, level 1, ..."
    )
