"""Small networks from an image to a code of a few numbers, and back."""

import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import resize
from gaussft_jax.methods.encoder import Encoder, dense, initial, initial_dense, layered, rectified

__all__ = ["code", "decoded", "halved", "initial_coder", "initial_decoder"]

_LAST = 4  # the side of what is coded, locations


def initial_coder(rng: np.random.Generator, halvings: int, features: int) -> Encoder:
    """Random weights: layers that halve an image down to 4 x 4, and one that sees all of that."""
    widths = (16 << i for i in range(halvings))
    return initial(rng, (3,) * halvings + (_LAST,), (3, *widths, features))


def initial_decoder(rng: np.random.Generator, halvings: int, features: int) -> Encoder:
    """Random weights: a layer that makes 4 x 4 of a code, and as many that see twice the side."""
    widths = [64 >> i for i in range(halvings)]
    first = initial_dense(rng, features, _LAST**2 * widths[0])
    return first + initial(rng, (3,) * halvings, (*widths, 3))


def halved(layers: Encoder, x: Float[Array, "n h w i"]) -> Float[Array, "n p q o"]:
    """What layers of 3 x 3 pixels make of the signal, each of half its side."""
    return layered(layers, x, (2,) * len(layers), pad=1)


def code(coder: Encoder, images: Float[Array, "n s s 3"]) -> Float[Array, "n d"]:
    """The code of each image, of 4 pixels doubled as often as there are halvings."""
    return layered(coder[-1:], rectified(halved(coder[:-1], images)), (1,))[:, 0, 0]


def decoded(decoder: Encoder, codes: Float[Array, "n d"]) -> Float[Array, "n s s 3"]:
    """The image of each code, of 4 pixels doubled as often as there are halvings."""
    x = dense(decoder[:1], codes[:, None, None]).reshape(codes.shape[0], _LAST, _LAST, -1)
    for layer in decoder[1:]:
        side = 2 * x.shape[1]
        x = layered((layer,), resize(rectified(x), side, side), (1,), pad=1)
    return x
