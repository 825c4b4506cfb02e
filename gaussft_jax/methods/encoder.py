"""Layers of small networks, and one of patches: what 32 x 32 pixels look like, as a few numbers."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from gaussft_jax.backbones.convolution import convolution

__all__ = [
    "PATCH",
    "SLOPE",
    "STRIDE",
    "Convolution",
    "Encoder",
    "cut",
    "dense",
    "encode",
    "initial",
    "initial_dense",
    "initial_encoder",
    "initial_layer",
    "layered",
    "of_each",
    "rectified",
    "surrounded",
]

PATCH = 32
"""The side of a patch, pixels."""

STRIDE = 8
"""The distance between patches, pixels."""

_LAYERS = ((4, 16), (3, 32), (3, 64), (3, 64))  # sides of kernels, and channels
_STRIDES = (2, 2, 2, 1, 1)  # so that 32 pixels become one location
SLOPE = 0.1
"""Of what is `rectified`, where it is negative."""


class Convolution(NamedTuple):
    """A layer: kernel, float32 [k k i o], and bias, float32 [o]."""

    kernel: Float[Array, "k k i o"]
    bias: Float[Array, " o"]

    def __call__(
        self, x: Float[Array, "n h w i"], stride: int = 1, pad: int = 0
    ) -> Float[Array, "n p q o"]:
        """What it makes of features with so many zeros around them, pixels."""
        return convolution(x, self.kernel, stride, ((pad, pad), (pad, pad))) + self.bias


Encoder = tuple[Convolution, ...]


def initial_encoder(rng: np.random.Generator, features: int) -> Encoder:
    """Random weights from patches of 3 channels to so many features."""
    sides, channels = zip(*_LAYERS, strict=True)
    return initial(rng, (*sides, 1), (3, *channels, features))


def initial_dense(rng: np.random.Generator, *widths: int) -> Encoder:
    """Random weights of layers that see one location alone; `widths` are those of what they see."""
    return initial(rng, (1,) * (len(widths) - 1), widths)


def initial(rng: np.random.Generator, sides: Sequence[int], widths: Sequence[int]) -> Encoder:
    """Random weights of layers one after the other.

    Args:
        rng: draws them.
        sides: of the layers' kernels, pixels.
        widths: channels that the layers see, and at the end those that the last one makes.
    """
    return tuple(initial_layer(rng, *of) for of in zip(sides, widths[:-1], widths[1:], strict=True))


def initial_layer(rng: np.random.Generator, side: int, given: int, found: int) -> Convolution:
    """Random weights, of `given` channels to `found`, that keep the variance of a signal."""
    scale = (2 / (given * side**2)) ** 0.5
    kernel = rng.normal(scale=scale, size=(side, side, given, found))
    return Convolution(jnp.asarray(kernel, jnp.float32), jnp.zeros(found, jnp.float32))


def encode(encoder: Encoder, images: Float[Array, "n height width 3"]) -> Float[Array, "n h w d"]:
    """The features of every patch of 32 x 32 pixels, each 8 pixels from the next.

    Args:
        encoder: from `initial_encoder`, or learnt.
        images: normalised, float32 [n height width 3]; `surrounded`, or a patch alone.

    Returns:
        float32 [n h w d], h = (height - 32) // 8 + 1, w likewise.
    """
    return layered(encoder, images, _STRIDES)


def dense(layers: Encoder, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
    """What layers from `initial_dense` make of each location."""
    return layered(layers, x, (1,) * len(layers))


def layered(
    layers: Encoder, x: Float[Array, "n h w i"], strides: Sequence[int], pad: int = 0
) -> Float[Array, "n p q o"]:
    """Convolutions one after the other, between which the signal is `rectified`.

    Args:
        layers: from `initial`, or learnt.
        x: float32 [n h w i].
        strides: of the layers, pixels.
        pad: zeros around what each layer sees, pixels.
    """
    # As a network of levels, in float32 everywhere.
    with jax.default_matmul_precision("highest"):
        for number, (layer, stride) in enumerate(zip(layers, strides, strict=True)):
            x = layer(rectified(x) if number else x, stride, pad)
    return x


def rectified(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A tenth of what is negative."""
    return jnp.maximum(x, SLOPE * x)


def surrounded(
    images: Float[Array, "n height width 3"], side: int = PATCH
) -> Float[Array, "n _h _w 3"]:
    """Images mirrored at their border, so that a patch is centred on each 8 x 8 pixels of them.

    Args:
        images: float32 [n height width 3].
        side: of the patches, pixels.

    Returns:
        side - 8 pixels larger than height and width, those rounded up to multiples of 8.
    """
    before = (side - STRIDE) // 2
    pads = [(before, before + -length % STRIDE) for length in images.shape[1:3]]
    return jnp.pad(images, ((0, 0), *pads, (0, 0)), mode="symmetric")


def cut(
    images: Float[Array, "n height width c"], corners: Int[Array, "n 2"], h: int, w: int
) -> Float[Array, "n {h} {w} c"]:
    """Of each image the rectangle of h x w pixels below and right of its corner."""

    def one(image, corner):
        return lax.dynamic_slice(image, (*corner, 0), (h, w, image.shape[2]))

    return jax.vmap(one)(images, corners)


@functools.partial(jax.jit, static_argnums=0)
def of_each(function: Callable, learnt: Any, examples: Any) -> Any:
    """`function(learnt, examples)` of all examples, of one after the other.

    Args:
        function: to arrays with an entry for each example.
        learnt: what it takes first.
        examples: a pytree of arrays [n ...].
    """

    def one(example):
        found = function(learnt, jax.tree.map(lambda x: x[None], example))
        return jax.tree.map(lambda x: x[0], found)

    return lax.map(one, examples)
