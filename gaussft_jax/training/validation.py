"""Validation by vicinity: can the network still tell good images from slight variations of them?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from gaussft_jax import parallel
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.vicinity import Augmentation, draw

__all__ = ["Draws", "draw_vicinity", "vicinity_auroc"]


class Draws(NamedTuple):
    """Validation images, of which some are augmented and count as anomalous.

    Attributes:
        images: uint8 [m s s 3], sharded over the devices, filled up to a multiple of their number.
        anomalous: bool [m], the same on every device.
    """

    images: UInt8[Array, "*d s s 3"]
    anomalous: Bool[Array, " m"]


def draw_vicinity(
    key: PRNGKeyArray,
    images: parallel.Rows,
    augment: Augmentation,
    recipe: Recipe,
) -> Draws:
    """Draws with replacement, some augmented; called on every device, each draws its part.

    Args:
        key: random key.
        images: good validation images.
        augment: as from `vicinity`.
        recipe: says how many draws there are for each image, and how likely one is augmented. Both
            kinds are among them, where there are two draws or more.

    Reference:
        Section 3.1 and 4.2 of the paper.
    """
    which, label, noise = jax.random.split(key, 3)
    count = recipe.draws_per_image * len(images.place)
    chosen = jax.random.randint(which, (count,), 0, len(images.place))
    anomalous = jax.random.bernoulli(label, recipe.augmented, (count,))
    # Of one kind alone, as few draws may be, no AUROC exists.
    anomalous = anomalous.at[0].set(anomalous[0] & ~anomalous[1:].all())
    anomalous = anomalous.at[-1].set(anomalous[-1] | ~anomalous[:-1].any())
    chosen, wanted = parallel.padded(chosen), parallel.padded(anomalous)
    drawn = parallel.gather_rows(images, chosen)
    first = parallel.shard_start(len(drawn))
    return Draws(draw(noise, drawn, augment, parallel.local_shard(wanted), first)[0], anomalous)


def vicinity_auroc(scores: Float[Array, " m"], anomalous: Bool[Array, " m"]) -> Float[Array, ""]:
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
