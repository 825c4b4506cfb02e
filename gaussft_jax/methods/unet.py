"""A small U-Net: what an image is like, from one in which something is missing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import resize
from gaussft_jax.methods.encoder import Convolution, initial_layer, rectified

__all__ = ["SIDE", "UNet", "initial_unet", "reduced", "restored"]

SIDE = 64
"""The longest side that it is meant for, pixels."""

_CHANNELS = (16, 32, 64, 64, 64)  # of each resolution, the finest first


class UNet(NamedTuple):
    """Its layers.

    Attributes:
        down: to each resolution from the one before, half as fine, 3 x 3.
        up: to each from the one before, and from what `down` found at it, 3 x 3.
        last: to the colours, 1 x 1.
    """

    down: tuple[Convolution, ...]
    up: tuple[Convolution, ...]
    last: Convolution


def initial_unet(rng: np.random.Generator, channels: int) -> UNet:
    """Random weights, from images of so many channels to images of 3."""
    finer = _CHANNELS[:-1]
    down = [initial_layer(rng, 3, *of) for of in zip((channels, *finer), _CHANNELS, strict=True)]
    up = [initial_layer(rng, 3, a + b, b) for a, b in zip(_CHANNELS[1:], finer, strict=True)]
    return UNet(tuple(down), tuple(up[::-1]), initial_layer(rng, 1, finer[0], 3))


def restored(unet: UNet, images: Float[Array, "n h w i"]) -> Float[Array, "n h w 3"]:
    """Images from images in which something is missing, all float32.

    A resolution is enlarged, set beside what was found at the next finer one, and convolved.
    """
    x, found = images, []
    with jax.default_matmul_precision("highest"):
        for number, layer in enumerate(unet.down):
            x = rectified(layer(x, 2 if number else 1, 1))
            found.append(x)
        for layer, finer in zip(unet.up, found[-2::-1], strict=True):
            x = rectified(layer(jnp.concatenate([resize(x, *finer.shape[1:3]), finer], -1), 1, 1))
        return unet.last(x)


def reduced(images: Float[Array, "n height width 3"]) -> Float[Array, "n h w 3"]:
    """Images whose height and width are `SIDE` at most."""
    return resize(images, *(min(length, SIDE) for length in images.shape[1:3]))
