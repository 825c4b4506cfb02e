"""Validation by vicinity: can the network still tell good images from slight variations of them?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from gaussft_jax.vicinity import Augmentation, draw

__all__ = ["Draws", "auroc", "draw_vicinity"]


class Draws(NamedTuple):
    """Validation images, of which some are augmented and count as anomalous.

    Attributes:
        images: uint8 [m s s 3].
        anomalous: bool [m].
    """

    images: UInt8[Array, "m s s 3"]
    anomalous: Bool[Array, " m"]


def draw_vicinity(
    key: PRNGKeyArray,
    images: UInt8[Array, "n s s 3"],
    augment: Augmentation,
    count: int,
    augmented: float,
) -> Draws:
    """`count` draws with replacement, each augmented with probability `augmented`.

    Args:
        key: random key.
        images: good validation images, uint8 [n s s 3].
        augment: as from `vicinity`.
        count: number of draws.
        augmented: probability.

    Reference:
        Section 3.1 and 4.2 of the paper.
    """
    which, label, noise = jax.random.split(key, 3)
    chosen = jax.random.randint(which, (count,), 0, len(images))
    anomalous = jax.random.bernoulli(label, augmented, (count,))
    return Draws(draw(noise, images[chosen], augment, anomalous)[0], anomalous)


def auroc(scores: Float[Array, " m"], anomalous: Bool[Array, " m"]) -> Float[Array, ""]:
    """Probability that an anomalous image scores above a good one, ties counted half.

    Args:
        scores: float32 [m].
        anomalous: bool [m].

    Returns:
        Fraction, float32 []; NaN where all images are of one kind.
    """
    order = jnp.sort(scores)
    below, up_to = (jnp.searchsorted(order, scores, side=side) for side in ("left", "right"))
    # Twice the rank, so that ties stay whole numbers and the sum is exact.
    positives = anomalous.sum()
    negatives = anomalous.size - positives
    ranks = jnp.where(anomalous, below + up_to + 1, 0).sum()
    wins = ranks - positives * (positives + 1)
    return wins / (2.0 * positives * negatives)
