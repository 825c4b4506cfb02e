"""A network with its preprocessing: from images to the features of every level."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float, UInt8

from gaussft_jax.weights import Source, locate

__all__ = ["DTYPES", "IMAGENET", "Arrays", "Backbone", "Levels", "Variables"]

Variables = Mapping[str, Mapping]
Levels = tuple[Float[Array, "n h w c"], ...]
Arrays = Mapping[str, np.ndarray]

# What a network computes in: the type of its features, and the precision of products of them.
# JAX's own default on float32 is TF32 on recent GPUs and bfloat16 on TPUs.
DTYPES = {
    "float32": ("float32", "highest"),
    "tensorfloat32": ("float32", "tensorfloat32"),
    "bfloat16": ("bfloat16", "default"),
}

# Mean and standard deviation of the channels, in grey levels 0..255.
IMAGENET = (
    (0.485 * 255, 0.456 * 255, 0.406 * 255),
    (0.229 * 255, 0.224 * 255, 0.225 * 255),
)


@runtime_checkable
class _Module(Protocol):
    """What a network is to a `Backbone`; a Flax module with three more members is one."""

    @property
    def level_names(self) -> tuple[str, ...]:
        """A word for each level."""

    def init(self, key: Array, x: Float[Array, "n s s 3"]) -> Variables:
        """Variables of the right shapes: `params`, and whatever is not tuned."""

    def apply(self, variables: Variables, x: Float[Array, "n s s 3"]) -> Levels:
        """The levels of normalised images."""

    def first_level(self, parameter: str) -> int:
        """The first level that depends on a parameter, by its `/`-joined name in `params`."""

    def folded(self, variables: Variables) -> Variables:
        """What `apply` may take instead while they stay as they are, to the same levels faster."""


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network with its preprocessing; hashable, so that it can be a static argument.

    Attributes:
        name: as in `create`, or of one's own.
        module: normalised images [n s s 3] -> levels.
        image_size: nominal side of the input, pixels.
        mean: subtracted from the image, per channel, in grey levels 0..255.
        std: divides the difference, per channel, in grey levels.
        dtype: what the network computes in, a key of `DTYPES`.
        multiple: the sides of images are multiples of it, pixels.
        pixels: whether the normalised image, float32 [n h w 3], comes first among the levels.
        read: from the arrays of another project's weight file to the variables by `/`-joined name;
            what is unknown keeps its name. Raises ValueError where it knows none of them.
        millions: of parameters; 0 where nobody counted.
        source: where the known weights come from; None where none are known.
    """

    name: str
    module: _Module
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dtype: str = "float32"
    multiple: int = 1
    millions: float = 0.0
    # Without a word in digests, which are those of the network alone.
    pixels: bool = dataclasses.field(default=False, repr=False)
    # A function's address says nothing in a digest.
    read: Callable[[Arrays], dict[str, np.ndarray]] = dataclasses.field(
        default=dict, repr=False, compare=False
    )
    source: Source | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def level_names(self) -> tuple[str, ...]:
        """A word for each level."""
        names = self.module.level_names
        return ("image", *names) if self.pixels else names

    def abstract(self) -> Variables:
        """The variables' shapes and types in place of their values; the same object each time."""
        return _abstract(self.module, self.nearest_size(32))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every variable by its `/`-joined name."""
        variables = flatten_dict(self.abstract(), sep="/")
        return {name: leaf.shape for name, leaf in variables.items()}

    def abstract_levels(self, size: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """The shapes [1 h w c] of the levels of an image of `size` pixels."""
        return _abstract_levels(self, size)

    def nearest_size(self, size: int) -> int:
        """The side of an image nearest to `size` that fits the network, pixels."""
        return _nearest(size, self.multiple)

    def check_size(self, *sides: int) -> None:
        """Refuse images that do not fit the network.

        Raises:
            ValueError: a side, pixels, is no multiple of `multiple`; the message says which fit.
        """
        for side in sides:
            if side % self.multiple:
                below = side // self.multiple * self.multiple
                fitting = [size for size in (below, below + self.multiple) if size]
                raise ValueError(
                    f"{self.name} takes images of multiples of {self.multiple} px, not of {side}: "
                    f"choose {' or '.join(map(str, fitting))}"
                )

    def locate(self, fetch: bool = True) -> Path:
        """The known weights on this machine, as `weights.locate`.

        Raises:
            ValueError: none are known, or a file's sha256 is not the known one.
            FileNotFoundError: they are not here and cannot be fetched.
        """
        if self.source is None:
            raise ValueError(f"no weights are known for {self.name!r}: give a file or variables")
        return locate(self.name, self.source, fetch)

    def levels(self, variables: Variables, images: UInt8[Array, "n height width 3"]) -> Levels:
        """Features of every level.

        Args:
            variables: `params` and whatever is not tuned, float32.
            images: RGB, uint8 [n height width 3].

        Returns:
            An array for each level, float32 [n h w c], after the image where `pixels` says so.

        Raises:
            ValueError: images of a size that does not fit.
        """
        self.check_size(*images.shape[1:3])
        mean, std = jnp.array(self.mean, jnp.float32), jnp.array(self.std, jnp.float32)
        normalised = (images.astype(jnp.float32) - mean) / std
        dtype, products = DTYPES[self.dtype]
        with jax.default_matmul_precision(products):
            levels = self.module.apply(variables, normalised.astype(dtype))
        levels = tuple(level.astype(jnp.float32) for level in levels)
        return (normalised, *levels) if self.pixels else levels

    @classmethod
    def from_function(
        cls,
        function: Callable[[Any, Float[Array, "n h w 3"]], Any],
        parameters: Any,
        image_size: int = 224,
        mean: tuple[float, float, float] = IMAGENET[0],
        std: tuple[float, float, float] = IMAGENET[1],
        multiple: int = 1,
        name: str = "own",
    ) -> tuple["Backbone", Variables]:
        """A network of one's own, of any library or none, and its variables.

        Args:
            function: from (parameters, normalised images [n h w 3]) to a sequence of levels
                [n h w c]; pure. Two backbones are equal where their functions are the same object.
            parameters: pytree of float arrays, all of which can be tuned; the function gets them in
                the type of the images. What must not be tuned, the statistics of normalisations for
                example, belongs into the function.
            image_size: nominal side of the input, pixels.
            mean: subtracted from the image, per channel, in grey levels 0..255.
            std: divides the difference.
            multiple: the sides of images are multiples of it, pixels.
            name: stands in results and in the folder of a detector, which needs the backbone again
                to be loaded.

        Raises:
            ValueError: the function gives something else than levels.
        """
        size = _nearest(image_size, multiple)
        image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        levels = jax.eval_shape(function, parameters, image)
        if not isinstance(levels, tuple | list) or any(np.ndim(x) != 4 for x in levels):
            raise ValueError(
                "a network is a function to a sequence of levels [n h w c], this one gives "
                f"{jax.tree.map(lambda x: list(x.shape), levels)}"
            )
        leaves, structure = jax.tree_util.tree_flatten_with_path(parameters)
        named = {
            f"{i}.{jax.tree_util.keystr(path, simple=True, separator='.')}".replace("/", "."): leaf
            for i, (path, leaf) in enumerate(leaves)
        }
        module = _Function(
            function,
            structure,
            tuple((key, np.shape(leaf), str(leaf.dtype)) for key, leaf in named.items()),
            tuple(f"level{i}" for i in range(len(levels))),
        )
        variables = {"params": jax.tree.map(np.asarray, named)}
        return cls(name, module, image_size, mean, std, multiple=multiple), variables


def _nearest(size: int, multiple: int) -> int:
    return max(1, round(size / multiple)) * multiple


@dataclasses.dataclass(frozen=True)
class _Function:
    """A function of a pytree as the `module` of a backbone, of named arrays."""

    function: Callable
    structure: Any
    leaves: tuple[tuple[str, tuple[int, ...], str], ...]  # name, shape, dtype
    level_names: tuple[str, ...]

    def init(self, key: Array, x: Array) -> Variables:
        return {"params": {name: jnp.zeros(shape, dtype) for name, shape, dtype in self.leaves}}

    def apply(self, variables: Variables, x: Array) -> Levels:
        leaves = [variables["params"][name].astype(x.dtype) for name, *_ in self.leaves]
        return tuple(self.function(jax.tree.unflatten(self.structure, leaves), x))

    def folded(self, variables: Variables) -> Variables:
        return variables

    def first_level(self, parameter: str) -> int:
        raise ValueError("which levels depend on a parameter of one's own network is not known")


@functools.cache  # a second of tracing, asked for by every load and every set-up
def _abstract(module: _Module, size: int) -> Variables:
    """The shapes of the variables; any image of a size that fits tells them."""
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


@functools.cache  # likewise; a set-up asks for those of several sizes
def _abstract_levels(backbone: Backbone, size: int) -> tuple[jax.ShapeDtypeStruct, ...]:
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
    return jax.eval_shape(backbone.levels, backbone.abstract(), image)
