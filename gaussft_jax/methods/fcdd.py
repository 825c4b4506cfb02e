"""FCDD: a hypersphere classifier on the level maps, trained against synthetic anomalies."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian import Aggregation, fit_means
from gaussft_jax.methods.gaussian_fine_tune import AGGREGATION
from gaussft_jax.methods.method import Maps, Method, option

__all__ = ["FCDD", "hypersphere_loss", "level_mask", "pseudo_huber_map"]


def pseudo_huber_map(
    centre: Float[Array, "h w c"], features: Float[Array, "n h w c"]
) -> Float[Array, "n h w"]:
    """Pseudo-Huber distance sqrt(|x - c|^2 + 1) - 1 of the feature at every location.

    Args:
        centre: float32 [h w c].
        features: float32 [n h w c].

    Returns:
        float32 [n h w], distance.
    """
    return jnp.sqrt(jnp.square(features - centre).sum(-1) + 1) - 1


def level_mask(masks: Bool[Array, "n s t"], height: int, width: int) -> Bool[Array, "n h w"]:
    """Locations of a level under which any pixel is anomalous.

    Args:
        masks: bool [n s t], pixels.
        height: locations of the level, vertically.
        width: and horizontally.

    Returns:
        bool [n height width].
    """
    rows, columns = _cover(masks.shape[1], height), _cover(masks.shape[2], width)
    pixels = masks.astype(jnp.float32)
    return jnp.einsum("ps,nst,qt->npq", rows, pixels, columns, precision=lax.Precision.HIGHEST) > 0


def _cover(pixels: int, locations: int) -> np.ndarray:
    """Which pixels overlap which location along one axis, 0 or 1, float32 [locations pixels]."""
    location, pixel = np.arange(locations)[:, None], np.arange(pixels)[None]
    overlap = (pixel * locations < (location + 1) * pixels) & (
        (pixel + 1) * locations > location * pixels
    )
    return overlap.astype(np.float32)


def hypersphere_loss(maps: Maps, masks: Bool[Array, "n s s"]) -> Float[Array, " n"]:
    """Loss of each image: normal pixels close to the centre, anomalous ones away from it.

    Per level, mean(A (1 - M)) and, for an image with anomalous pixels,
    - log(1 - exp(-mean(A M)) + 1e-31) besides; then the mean over the levels.

    Args:
        maps: pseudo-Huber distances, float32 [n h w] per level.
        masks: anomalous pixels, bool [n s s].

    Returns:
        float32 [n].

    Reference:
        Equation 2 on level maps; Liznerski et al., Explainable deep one-class classification, 2021.
    """

    def one_level(distance):
        anomalous = level_mask(masks, *distance.shape[1:])
        near = jnp.where(anomalous, 0.0, distance).mean((1, 2))
        far = jnp.where(anomalous, distance, 0.0).mean((1, 2))
        any_anomalous = anomalous.any((1, 2))
        exposed = -jnp.log(-jnp.expm1(-jnp.where(any_anomalous, far, 1.0)) + 1e-31)
        return near + jnp.where(any_anomalous, exposed, 0.0)

    return jnp.stack([one_level(level) for level in maps]).mean(0)


@dataclasses.dataclass(frozen=True)
class FCDD(Method):
    """A hypersphere classifier on every level, with outlier exposure and masks.

    Attributes:
        aggregation: `max` or `mean` over the locations of a level, for the image score.

    Reference:
        Liznerski et al., Explainable deep one-class classification, 2021.
    """

    name: ClassVar[str] = "fcdd"
    tunable: ClassVar[bool] = True
    exposure: ClassVar[float] = 0.5

    aggregation: Aggregation = option(*AGGREGATION)

    def fit(self, batches):
        return fit_means(batches)

    def level_maps(self, references, levels):
        return tuple(map(pseudo_huber_map, references, levels))

    def loss(self, maps, masks):
        return hypersphere_loss(maps, masks)
