"""AugMix: a random mixture of an image and three chains of random operations on it."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float32, Int32, PRNGKeyArray, UInt8

from gaussft_jax.lowering import by_platform
from gaussft_jax.vicinity import operations

__all__ = ["OPERATIONS", "AugMix", "augmix", "draw_augmix", "mixed_image"]

WIDTH, DEPTH = 3, 3


def _whole(strength, maximum):
    return jnp.floor(strength * maximum).astype(jnp.int32)


# name -> (image, strength in [0, 1], sign) -> image, with the range of each operation.
OPERATIONS = {
    "autocontrast": lambda image, strength, sign: operations.autocontrast(image),
    "equalize": lambda image, strength, sign: operations.equalize(image),
    "posterize": lambda image, strength, sign: operations.posterize(image, 4 - _whole(strength, 4)),
    "rotate": lambda image, strength, sign: operations.rotate(image, sign * _whole(strength, 30)),
    "solarize": lambda image, strength, sign: operations.solarize(
        image, 256 - _whole(strength, 256)
    ),
    "shear_x": lambda image, strength, sign: operations.shear_x(image, sign * strength * 0.3),
    "shear_y": lambda image, strength, sign: operations.shear_y(image, sign * strength * 0.3),
    "translate_x": lambda image, strength, sign: operations.translate_x(
        image, sign * _whole(strength, image.shape[1] / 3)
    ),
    "translate_y": lambda image, strength, sign: operations.translate_y(
        image, sign * _whole(strength, image.shape[0] / 3)
    ),
}


class AugMix(NamedTuple):
    """What AugMix draws for one image.

    Attributes:
        weights: share of each chain, Dirichlet(1, 1, 1), float32 [3].
        mix: share of the chains against the image, Beta(1, 1), float32 [].
        depths: how many operations each chain applies, 1..3, int32 [3].
        operations: which ones, positions in `OPERATIONS`, int32 [3 3] (chain, step).
        strengths: share of the operation's range, U(0.1, severity) / 10, float32 [3 3].
        signs: -1 or 1, int32 [3 3].
    """

    weights: Float32[Array, "3"]
    mix: Float32[Array, ""]
    depths: Int32[Array, "3"]
    operations: Int32[Array, "3 3"]
    strengths: Float32[Array, "3 3"]
    signs: Int32[Array, "3 3"]


def draw_augmix(key: PRNGKeyArray, severity: float = 3.0) -> AugMix:
    """The random numbers of one AugMix.

    Args:
        key: random key.
        severity: upper end of the strength, above 0.1 and at most 10; the paper uses 3..7.

    Returns:
        The draw.
    """
    keys = jax.random.split(key, 6)
    each = (WIDTH, DEPTH)
    # Normalised exponentials are Dirichlet(1, ..., 1), and Beta(1, 1) is uniform.
    weights = jax.random.exponential(keys[0], (WIDTH,), jnp.float32)
    return AugMix(
        weights / weights.sum(),
        jax.random.uniform(keys[1], (), jnp.float32),
        jax.random.randint(keys[2], (WIDTH,), 1, DEPTH + 1, jnp.int32),
        jax.random.randint(keys[3], each, 0, len(OPERATIONS), jnp.int32),
        jax.random.uniform(keys[4], each, jnp.float32, 0.1, severity) / 10,
        2 * jax.random.randint(keys[5], each, 0, 2, jnp.int32) - 1,
    )


def mixed_image(image: UInt8[Array, "h w 3"], draw: AugMix) -> UInt8[Array, "h w 3"]:
    """(1 - mix) image + mix sum_i weights[i] chain_i(image), rounded to grey levels.

    Args:
        image: uint8 [h w 3], grey levels.
        draw: the random numbers.

    Returns:
        uint8 [h w 3], grey levels.
    """
    branches = list(OPERATIONS.values())

    def chain(steps):
        depth, which, strengths, signs = steps
        return lax.fori_loop(
            0,
            depth,
            lambda i, x: lax.switch(which[i], branches, x, strengths[i], signs[i]),
            image,
        )

    # On a CPU one chain after the other: side by side, a switch computes all of its branches.
    chains = by_platform(
        (draw.depths, draw.operations, draw.strengths, draw.signs),
        cpu=partial(lax.map, chain),
        default=jax.vmap(chain),
    )
    # Python's sum fuses into one pass; a reduction over the axis takes 100 times longer on a CPU.
    augmented = sum(weight * c for weight, c in zip(draw.weights, chains, strict=True))
    return jnp.round((1 - draw.mix) * image + draw.mix * augmented).astype(jnp.uint8)


@partial(jax.jit, static_argnames="severity")
def augmix(
    key: PRNGKeyArray, image: UInt8[Array, "h w 3"], severity: float = 3.0
) -> tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]:
    """An AugMix of the image, and its mask: the whole image.

    Args:
        key: random key.
        image: uint8 [h w 3], grey levels.
        severity: upper end of the strength, above 0.1 and at most 10; the paper uses 3..7.

    Returns:
        The image, uint8 [h w 3], and the mask, bool [h w].

    Reference:
        Section 4.2.1 (width 3, depth uniform in 1..3); Hendrycks et al., 2020.
    """
    return mixed_image(image, draw_augmix(key, severity)), jnp.ones(image.shape[:2], bool)
