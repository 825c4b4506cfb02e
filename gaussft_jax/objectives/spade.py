"""SPADE: distances to the nearest training images, and to the nearest features in them."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from gaussft_jax.gaussian import on_host
from gaussft_jax.objectives.objective import Levels, Objective
from gaussft_jax.objectives.pyramid import pyramid, smooth

__all__ = ["spade"]


class _Gallery(NamedTuple):
    """Features of the training images: averaged [m c] and as a pyramid [m h w d], float32."""

    pooled: Float[Array, "m c"]
    pyramid: Float[Array, "m h w d"]


@functools.cache
def spade(neighbours: int = 50) -> Objective:
    """Nearest neighbours, first among the training images, then among all their locations.

    The score is the mean distance to the nearest images in the averaged features of the last
    level, the map the distance to the nearest feature in the pyramids of those images. All
    training features are kept in memory.

    Args:
        neighbours: nearest images; all of them where there are fewer.

    Reference:
        Cohen and Hoshen, Sub-image anomaly detection with deep pyramid correspondences, 2020.
    """

    def fit(batches) -> _Gallery:
        rows = [
            [on_host(features)[real] for features in (_pooled(levels), pyramid(levels))]
            for levels, valid in batches()
            for real in [on_host(valid)]
        ]
        columns = zip(*rows, strict=True)
        return _Gallery(*(jnp.asarray(np.concatenate(column)) for column in columns))

    def nearest(gallery, levels):
        squared = _squared_distances(_pooled(levels), gallery.pooled)
        least, which = lax.top_k(-squared, min(neighbours, len(gallery.pooled)))
        return jnp.sqrt(-least), which

    def maps(gallery, levels):
        def one(x):
            features, images = x
            return _nearest_feature(features, gallery.pyramid, images)

        distances = lax.map(one, (pyramid(levels), nearest(gallery, levels)[1]))
        return (smooth(distances),)

    def score(gallery, levels):
        return nearest(gallery, levels)[0].mean(1)

    return Objective(fit=fit, maps=maps, score=score)


def _pooled(levels: Levels) -> Float[Array, "n c"]:
    return levels[-1].mean((1, 2))


def _nearest_feature(
    features: Float[Array, "h w d"], gallery: Float[Array, "m h w d"], images: Int[Array, " k"]
) -> Float[Array, "h w"]:
    """Distance of each feature to the nearest one at any location of the given images."""
    h, w, d = features.shape
    rows = features.reshape(h * w, d)

    def closer(least, image):
        squared = _squared_distances(rows, gallery[image].reshape(-1, d))
        return jnp.minimum(least, squared.min(1)), None

    least, _ = lax.scan(closer, jnp.full(h * w, jnp.inf, rows.dtype), images)
    return jnp.sqrt(least).reshape(h, w)


def _squared_distances(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, "n m"]:
    product = jnp.matmul(a, b.T, precision=lax.Precision.HIGHEST)
    squared = jnp.square(a).sum(1)[:, None] - 2 * product + jnp.square(b).sum(1)
    return jnp.maximum(squared, 0.0)
