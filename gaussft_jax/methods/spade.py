"""SPADE: distances to the nearest training images, and to the nearest features in them."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from gaussft_jax.lowering import each, fold
from gaussft_jax.memory import nearest_squared, squared_distances
from gaussft_jax.methods.method import Levels, Method, option
from gaussft_jax.methods.pooled import gathered
from gaussft_jax.methods.pyramid import pyramid, smooth

__all__ = ["SPADE", "Gallery"]


class Gallery(NamedTuple):
    """Features of the training images: averaged [m c] and as a pyramid [m h w d], float32."""

    pooled: Float[Array, "m c"]
    pyramid: Float[Array, "m h w d"]


@dataclasses.dataclass(frozen=True)
class SPADE(Method):
    """Nearest neighbours, first among the training images, then among all their locations.

    The score is the mean distance to the nearest images in the averaged features of the last
    level, the map the distance to the nearest feature in the pyramids of those images. All
    training features are kept in memory.

    Attributes:
        neighbours: nearest images; all of them where there are fewer.

    Reference:
        Cohen and Hoshen, Sub-image anomaly detection with deep pyramid correspondences, 2020.
    """

    name: ClassVar[str] = "spade"
    parts: ClassVar = (Gallery,)

    neighbours: int = option(50, "spade_neighbours", "how many nearest images to compare with", 1)

    def fit(self, batches):
        features = (((_pooled(levels), pyramid(levels)), valid) for levels, valid in batches())
        return Gallery(*map(jnp.asarray, gathered(features)))

    def level_maps(self, references, levels):
        def one(x):
            features, images = x
            return _nearest_feature(features, references.pyramid, images)

        distances = each(one, (pyramid(levels), self._nearest(references, levels)[1]))
        return (smooth(distances),)

    def level_scores(self, references, levels, maps):
        return self._nearest(references, levels)[0].mean(1, keepdims=True)

    def _nearest(self, gallery, levels):
        squared = squared_distances(_pooled(levels), gallery.pooled)
        least, which = lax.top_k(-squared, min(self.neighbours, len(gallery.pooled)))
        return jnp.sqrt(-least), which


def _pooled(levels: Levels) -> Float[Array, "n c"]:
    return levels[-1].mean((1, 2))


def _nearest_feature(
    features: Float[Array, "h w d"], gallery: Float[Array, "m h w d"], images: Int[Array, " k"]
) -> Float[Array, "h w"]:
    """Distance of each feature to the nearest one at any location of the given images."""
    h, w, d = features.shape
    rows = features.reshape(h * w, d)

    def closer(least, image):
        of_image = jnp.take(gallery, image, axis=0).reshape(-1, d)
        return jnp.minimum(least, nearest_squared(rows, of_image))

    least = fold(closer, jnp.full(h * w, jnp.inf, rows.dtype), images)
    return jnp.sqrt(least).reshape(h, w)
