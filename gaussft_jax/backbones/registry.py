"""Networks by name: what they expect of an image, and the weights that belong to them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, UInt8

from gaussft_jax.backbones.efficientnet import EfficientNet
from gaussft_jax.backbones.specification import SPECIFICATIONS
from gaussft_jax.weights import load_weights, locate

__all__ = ["Backbone", "Levels", "Variables", "create", "load_backbone"]

Variables = Mapping[str, Mapping]
Levels = tuple[Float[Array, "n h w c"], ...]

_IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network with its preprocessing; hashable, so that it can be a static argument.

    Attributes:
        name: as in `create`.
        module: Flax module, normalised images [n s s 3] -> levels.
        image_size: nominal side of the input, pixels; any other size works too.
        mean: subtracted from the image, per channel, in grey levels 0..255.
        std: divides the difference, per channel, in grey levels.
        dtype: what the network computes in, `float32` or `bfloat16`.
    """

    name: str
    module: EfficientNet
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dtype: str = "float32"

    @property
    def repeats(self) -> tuple[int, ...]:
        """Blocks in each of the seven stages."""
        return tuple(stage.repeats for stage in self.module.specification.stages)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every variable by its `/`-joined name."""
        image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
        variables = jax.eval_shape(self.module.init, jax.random.key(0), image)
        return {name: leaf.shape for name, leaf in flatten_dict(variables, sep="/").items()}

    def levels(self, variables: Variables, images: UInt8[Array, "n s s 3"]) -> Levels:
        """Features of every level.

        Args:
            variables: `params` and `batch_stats`, float32.
            images: RGB, uint8 [n s s 3].

        Returns:
            Nine arrays, float32 [n h w c].
        """
        mean, std = jnp.array(self.mean, jnp.float32), jnp.array(self.std, jnp.float32)
        normalised = (images.astype(jnp.float32) - mean) / std
        levels = self.module.apply(variables, normalised.astype(self.dtype))
        return tuple(level.astype(jnp.float32) for level in levels)


def create(name: str) -> Backbone:
    """The network called `name`, without weights.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in SPECIFICATIONS:
        raise ValueError(f"unknown backbone {name!r}; known are: {', '.join(SPECIFICATIONS)}")
    specification = SPECIFICATIONS[name]
    if specification.lite:
        mean, std = (127.0,) * 3, (128.0,) * 3
    else:
        mean, std = _IMAGENET_MEAN, _IMAGENET_STD
    return Backbone(name, EfficientNet(specification), specification.image_size, mean, std)


def load_backbone(
    name: str, weights: str | Path | None = None, dtype: str = "float32"
) -> tuple[Backbone, Variables]:
    """The network called `name` and its variables, float32 on the host.

    Args:
        name: as in `create`.
        weights: None for the known ImageNet weights (cache, installed package or download), a
            weight file or converted folder, or `random` for an untrained network.
        dtype: what the network computes in, `float32` or `bfloat16`; the variables, levels,
            statistics and distances are float32 or wider in any case.

    Raises:
        ValueError: unknown name, or weights that do not fit the network.
        FileNotFoundError: no weights are here; the message says which file to put where.
    """
    backbone = dataclasses.replace(create(name), dtype=dtype)
    shapes = backbone.shapes()
    if weights == "random":
        arrays = _random(shapes)
    else:
        path = locate(name) if weights is None else Path(weights)
        arrays = load_weights(path, backbone.repeats, shapes)
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
            array = np.full(shape, float(name.endswith(("/scale", "/var"))))
        arrays[name] = array.astype(np.float32)
    return arrays
