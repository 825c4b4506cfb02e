"""Saturated per-region overlap (sPRO): how much of what suffices of a region is found."""

from collections.abc import Sequence

import numpy as np

from gaussft_jax.data import Region
from gaussft_jax.evaluation.pro import Maps, Masks, found_area, highest_normal
from gaussft_jax.evaluation.roc import Undefined

__all__ = ["auspro"]


def auspro(
    maps: Maps, masks: Masks, regions: Sequence[Sequence[Region]], limit: float = 0.3
) -> float:
    """Area under the sPRO curve up to a false positive rate, divided by that rate.

    sPRO(t) = mean over regions of min(pixels of the region at or above t / saturation, 1). Exact as
    `aupro`, which it is where each region is one component and saturated by the whole of it: of a
    region's pixels, from the highest, each counts 1 / saturation until they sum to 1.

    Args:
        maps: anomaly maps, float32 [n h w], or n maps [h w] of any sizes.
        masks: defective pixels, bool of the same shapes: the union of an image's regions.
        regions: of each image, as `data.read_regions` gives them.
        limit: false positive rate over the normal pixels of all images, in (0, 1].

    Returns:
        Fraction in [0, 1].

    Raises:
        Undefined: there is no region, or no defective or no normal pixel.
        ValueError: a mask does not fit its map, a map holds NaN, or the limit is no rate.

    Reference:
        Bergmann, Batzner, Fauser, Sattlegger and Steger, Beyond dents and scratches: logical
        constraints in unsupervised anomaly detection and localization, 2022, section 4.
    """
    normal, count = highest_normal(maps, masks, limit)
    end = limit * count
    areas = []
    for scores, image in zip(maps, regions, strict=True):
        for mask, saturation in image:
            found = np.sort(found_area(normal, scores[mask], end))[::-1]
            weights = np.clip(saturation - np.arange(found.size), 0, 1) / saturation
            areas.append(found @ weights)
    if not areas:
        raise Undefined("no region")
    return float(np.mean(areas) / end)
