"""Networks by name, with the weights that belong to them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from flax.traverse_util import unflatten_dict

from gaussft_jax.backbones import efficientnet, resnet, vit
from gaussft_jax.backbones.backbone import DTYPES, Backbone, Variables
from gaussft_jax.weights import load_weights

__all__ = ["NETWORKS", "create", "load_backbone"]

NETWORKS: dict[str, Backbone] = efficientnet.NETWORKS | resnet.NETWORKS | vit.NETWORKS


def create(name: str) -> Backbone:
    """The network called `name`, without weights.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown backbone {name!r}; known are: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def load_backbone(
    name: str | Backbone, weights: str | Path | Variables | None = None, dtype: str = "float32"
) -> tuple[Backbone, Variables]:
    """A network and its variables, float32 on the host.

    Args:
        name: as in `create`, or a network of one's own, which needs its variables as weights.
        weights: None for the known ImageNet weights (cache, installed package or download), a
            weight file or converted folder, `random` for an untrained network, or variables.
        dtype: what the network computes in: `float32`; `tensorfloat32`, float32 whose products are
            rounded to TF32 on GPUs and to three bfloat16 passes on TPUs, faster there and the same
            as float32 on a CPU; or `bfloat16`. The variables, levels, statistics and distances are
            float32 or wider in any case.

    Raises:
        ValueError: unknown name or dtype, or weights that do not fit the network.
        FileNotFoundError: no weights are here; the message says which file to put where.
    """
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}; choose from: {', '.join(DTYPES)}")
    known = create(name) if isinstance(name, str) else name
    backbone = dataclasses.replace(known, dtype=dtype)
    if isinstance(weights, Mapping):
        return backbone, weights
    shapes = backbone.shapes()
    if weights == "random":
        arrays = _random(shapes)
    else:
        path = backbone.locate() if weights is None else Path(weights)
        arrays = load_weights(path, backbone.read, shapes)
    return backbone, unflatten_dict(arrays, sep="/")


def _random(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Untrained weights that keep the variance of a signal, without compiling the network."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in shapes.items():
        if name.endswith("/kernel"):
            fan_in = np.prod(shape[:2] if "/depthwise/" in name else shape[:-1])
            array = rng.normal(scale=(2 / fan_in) ** 0.5, size=shape)
        else:
            array = np.full(shape, float(name.endswith(("scale", "/var"))))
        arrays[name] = array.astype(np.float32)
    return arrays
