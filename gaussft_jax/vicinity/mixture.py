"""The vicinity of good images by its config name, one scheme or a mixture, and draws from it."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int, PRNGKeyArray, UInt8

from gaussft_jax.lowering import by_platform
from gaussft_jax.vicinity.augmix import augmix
from gaussft_jax.vicinity.confetti import confetti
from gaussft_jax.vicinity.cutout import cutout
from gaussft_jax.vicinity.cutpaste import patch, scar

__all__ = ["Augmentation", "draw", "mixture", "vicinity"]

_TOGETHER = 32  # images

Augmentation = Callable[
    [PRNGKeyArray, UInt8[Array, "h w 3"]], tuple[UInt8[Array, "h w 3"], Bool[Array, "h w"]]
]


def mixture(schemes: Sequence[Augmentation]) -> Augmentation:
    """An augmentation that draws one of the schemes, each with the same probability.

    Args:
        schemes: at least one augmentation.

    Returns:
        `(key, image) -> (image, mask)`.
    """

    @jax.jit
    def augment(key, image):
        scheme_key, key = jax.random.split(key)
        scheme = jax.random.randint(scheme_key, (), 0, len(schemes), jnp.int32)
        return lax.switch(scheme, schemes, key, image)

    return augment


@cache  # the same function for the same config, so that it is compiled once
def vicinity(name: str, severity: float = 3.0) -> Augmentation:
    """The augmentation that a config names: a jitted `(key, image) -> (image, mask)`.

    Args:
        name: `augmix`, `cutout`, `confetti`, or `all` for their mixture, as in the paper; `patch`,
            `scar`, or `cutpaste` for one of the two.
        severity: of AugMix, above 0.1 and at most 10; the paper uses 3..7.

    Returns:
        A function of a key and an image, uint8 [h w 3], to the augmented image, uint8 [h w 3],
        and its mask, bool [h w].

    Raises:
        ValueError: the name is unknown, or the severity out of range.

    Reference:
        Section 3.1 (vicinal risk minimisation), section 4.2.1 and table 3.
    """
    if not 0.1 < severity <= 10:
        raise ValueError(f"vicinity severity {severity}: take a number above 0.1, at most 10")
    schemes = {
        "augmix": partial(augmix, severity=float(severity)),
        "cutout": cutout,
        "confetti": confetti,
    }
    schemes["all"] = mixture(list(schemes.values()))
    schemes |= {"patch": patch, "scar": scar, "cutpaste": mixture([patch, scar])}
    if name not in schemes:
        raise ValueError(f"unknown vicinity {name!r}: take one of {', '.join(schemes)}")
    return schemes[name]


@partial(jax.jit, static_argnames="augment")
def draw(
    key: PRNGKeyArray,
    images: UInt8[Array, "n h w 3"],
    augment: Augmentation,
    chosen: Bool[Array, " n"] | None = None,
    first: Int[Array | int, ""] = 0,
) -> tuple[UInt8[Array, "n h w 3"], Bool[Array, "n h w"]]:
    """Images augmented, each with its own key, so that no draw depends on the batch size.

    Args:
        key: random key; image i takes `fold_in(key, first + i)`.
        images: uint8 [n h w 3], grey levels.
        augment: what `vicinity` returns.
        chosen: images to augment, bool [n]; None for all. The others stay, with an empty mask.
        first: number of the first image, where these are a part of more.

    Returns:
        The images, uint8 [n h w 3], and the masks, bool [n h w].
    """
    if chosen is None:
        chosen = jnp.ones(len(images), bool)

    def each(x):
        number, image, wanted = x
        key_of_image = jax.random.fold_in(key, number)
        return lax.cond(
            wanted,
            lambda: augment(key_of_image, image),
            lambda: (image, jnp.zeros(image.shape[:2], bool)),
        )

    # Of several images together a switch computes all of its branches. That is too much for a CPU;
    # elsewhere a loop over single images would start thousands of tiny kernels, one by one.
    numbers = jnp.uint32(first) + jnp.arange(len(images), dtype=jnp.uint32)
    return by_platform(
        (numbers, images, chosen),
        cpu=partial(lax.map, each),
        default=partial(lax.map, each, batch_size=_TOGETHER),
    )
