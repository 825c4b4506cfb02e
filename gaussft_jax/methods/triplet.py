"""Triplet networks: distance to the mean of the place, where what is erased would be far away."""

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from gaussft_jax.gaussian import safe_sqrt
from gaussft_jax.methods.encoder import (
    PATCH,
    Convolution,
    Encoder,
    cut,
    encode,
    initial_encoder,
    of_each,
    surrounded,
)
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import rows

__all__ = ["Centroids", "Triplet", "rectangle", "triplet_loss"]

_FEATURES = 64
_DRAWN = 16  # places of an image


class Centroids(NamedTuple):
    """The encoder of patches, and the mean of the good ones of each place, float32 [h w d]."""

    encoder: Encoder
    centroids: Float[Array, "h w d"]


@dataclasses.dataclass(frozen=True)
class Triplet(Learner):
    """|f(p) - c| at each place: f of the patch there, c the mean of f over the training images.

    f minimises max(0, |f(a) - f(p)| - |f(a) - f(n)| + margin): a and p are the patches of one place
    in two images, n is p in which a random rectangle, 2 to 40 % of it, is erased.

    Differences from the source. The encoder sees 32 x 32 pixels, in 5 layers of up to 64 channels,
    whatever the size of the image; a rectangle is filled with one colour, drawn at random.

    Attributes:
        margin: by which an erased patch is to be farther than a good one.
        epochs: over 16 places of each training image, drawn anew.
        seed: of weights, order, places and rectangles.

    Reference:
        Tayeh, Aburakhia, Myers and Shami, Distance-based anomaly detection for industrial surfaces
        using triplet networks, 2020.
    """

    name: ClassVar[str] = "triplet"
    batch_size: ClassVar[int] = 8
    parts: ClassVar = (Centroids, Convolution)

    margin: float = option(1.0, "triplet_margin", "by which erased patches are to be farther", 0)
    epochs: int = option(20, "triplet_epochs", "passes of the encoder over the images", 1)
    seed: int = option(0, "triplet_seed", "of weights, order, places and rectangles", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: levels[0])
        start = initial_encoder(np.random.default_rng(self.seed), _FEATURES)
        encoder = self.learnt(_loss, start, images, folder)
        return Centroids(encoder, of_each(_encoded, encoder, images).mean(0))

    def level_maps(self, references, levels):
        return (_distance(_encoded(references.encoder, levels[0]), references.centroids),)


def triplet_loss(
    anchor: Float[Array, "*n d"],
    positive: Float[Array, "*n d"],
    negative: Float[Array, "*n d"],
    margin: float,
) -> Float[Array, " *n"]:
    """max(0, |a - p| - |a - n| + margin) of each three, Euclidean."""
    return jnp.maximum(0, _distance(anchor, positive) - _distance(anchor, negative) + margin)


def rectangle(key: PRNGKeyArray, side: int) -> Bool[Array, "{side} {side}"]:
    """A random rectangle, inside of a square: 2 to 40 % of it, one side up to 3.3 times the other.

    Args:
        key: random key.
        side: of the square, pixels.

    Returns:
        True inside, bool [side side].

    Reference:
        Zhong et al., Random erasing data augmentation, 2020.
    """
    area_key, ratio_key, place_key = jax.random.split(key, 3)
    area = jax.random.uniform(area_key, minval=0.02, maxval=0.4)
    ratio = jnp.exp(jax.random.uniform(ratio_key, minval=-1, maxval=1) * math.log(3.3))
    lengths = jnp.minimum(side, jnp.round(side * jnp.sqrt(area * jnp.stack([ratio, 1 / ratio]))))
    starts = jnp.floor(jax.random.uniform(place_key, (2,)) * (side - lengths + 1))
    within = jnp.arange(side)[:, None]
    rows, columns = ((starts <= within) & (within < starts + lengths)).T
    return rows[:, None] & columns


def _loss(method, encoder, images, key) -> Float[Array, " n"]:
    n, whole = len(images), surrounded(images)
    place_key, rectangle_key, colour_key = jax.random.split(key, 3)
    limits = jnp.array(whole.shape[1:3]) - PATCH + 1
    places = jax.random.randint(place_key, (n * _DRAWN, 2), 0, limits)

    def patches(images):
        return cut(jnp.repeat(images, _DRAWN, 0), places, PATCH, PATCH)

    anchor, positive = patches(whole), patches(jnp.roll(whole, 1, 0))
    erased = jax.vmap(lambda key: rectangle(key, PATCH))(
        jax.random.split(rectangle_key, len(places))
    )
    colours = jax.random.normal(colour_key, (len(places), 1, 1, 3))
    negative = jnp.where(erased[..., None], colours, positive)
    features = encode(encoder, jnp.concatenate([anchor, positive, negative]))[:, 0, 0]
    losses = triplet_loss(*jnp.split(features, 3), method.margin)
    return losses.reshape(n, _DRAWN).mean(1)


def _encoded(encoder, images) -> Float[Array, "n h w d"]:
    return encode(encoder, surrounded(images))


def _distance(a: Float[Array, "*n d"], b: Float[Array, "... d"]) -> Float[Array, " *n"]:
    return safe_sqrt(jnp.square(a - b).sum(-1))
