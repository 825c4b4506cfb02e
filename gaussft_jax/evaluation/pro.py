"""Per-region overlap (PRO): the share of each defect that is found, against false alarms."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage

from gaussft_jax.evaluation.roc import Undefined

__all__ = [
    "Maps",
    "Masks",
    "all_pixels",
    "aupro",
    "found_area",
    "highest_normal",
    "pro_curve",
    "regions_of",
]

Maps = Float32[np.ndarray, "n h w"] | Sequence[Float32[np.ndarray, "_ _"]]
Masks = Bool[np.ndarray, "n h w"] | Sequence[Bool[np.ndarray, "_ _"]]


def all_pixels(maps: Maps | Masks) -> np.ndarray:
    """The pixels of all maps in one array, which is not copied where it is one already."""
    return maps if isinstance(maps, np.ndarray) else np.concatenate([map.ravel() for map in maps])


def aupro(maps: Maps, masks: Masks, limit: float = 0.3) -> float:
    """Area under the PRO curve up to a false positive rate, divided by that rate.

    Exact: every distinct score is a threshold, and pixels of one score switch together. The curve
    is a mean over regions of a mean over their pixels, and so is its area. With `above` normal
    pixels strictly above the score of a defective pixel and `upto` at or above it, that pixel
    joins linearly between the two, and from there on counts fully to the limit.

    Memory above the inputs: the normal scores up to the limit, twice for a moment, 2.6 bytes for
    each pixel at 0.3, and some 60 bytes for each defective pixel of one map.

    Args:
        maps: anomaly maps, float32 [n h w], or n maps [h w] of any sizes.
        masks: defective pixels, bool of the same shapes; a region is an 8-connected component.
        limit: false positive rate over the normal pixels of all images, in (0, 1].

    Returns:
        Fraction in [0, 1].

    Raises:
        Undefined: there is no defective or no normal pixel.
        ValueError: a mask does not fit its map, a map holds NaN, or the limit is no rate.
    """
    normal, count = highest_normal(maps, masks, limit)
    end = limit * count
    areas = [
        np.bincount(region, found_area(normal, scores, end)) / sizes
        for scores, region, sizes in regions_of(maps, masks)
    ]
    return float(np.concatenate(areas).mean() / end)


def pro_curve(
    maps: Maps, masks: Masks, limit: float = 0.3
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"], Float32[np.ndarray, " t"]]:
    """PRO against false positive rate at every distinct score, from the highest.

    Args:
        maps: anomaly maps, float32 [n h w], or n maps [h w] of any sizes.
        masks: defective pixels, bool of the same shapes; a region is an 8-connected component.
        limit: the curve ends at the first threshold whose false positive rate reaches this.

    Returns:
        False positive rate, mean over regions of the covered fraction, and threshold (defective
        is at or above); the first point is (0, 0) at infinity.

    Raises:
        Undefined: there is no defective or no normal pixel.
        ValueError: a mask does not fit its map, a map holds NaN, or the limit is no rate.
    """
    normal, count = highest_normal(maps, masks, limit)
    images = list(regions_of(maps, masks))
    scores = np.concatenate([scores for scores, _, _ in images])
    share = np.concatenate([(1 / sizes)[region] for _, region, sizes in images])
    order = np.argsort(scores)
    missed = np.append(0, np.cumsum(share[order]))
    missed /= missed[-1]
    found = scores[scores >= normal[0]]
    thresholds = np.append(np.unique(np.append(normal, found)), np.float32(np.inf))[::-1]
    fpr = (normal.size - np.searchsorted(normal, thresholds)) / count
    return fpr, 1 - missed[np.searchsorted(scores[order], thresholds)], thresholds


def found_area(
    normal: Float32[np.ndarray, " k"], scores: Float32[np.ndarray, " m"], end: float
) -> Float[np.ndarray, " m"]:
    """How long each pixel counts as found while `end` normal pixels turn into false positives.

    Args:
        normal: highest scores of normal pixels, ascending, as `highest_normal` gives them.
        scores: of defective pixels.
        end: number of normal pixels, a fraction of one included.

    Returns:
        float64 [m], 0 to `end`: the area under the pixel's own curve, which is 0, then joins
        linearly where normal pixels have its score, then 1.
    """
    above = normal.size - np.searchsorted(normal, scores, side="right")
    upto = normal.size - np.searchsorted(normal, scores)
    joining = np.clip(end, above, upto) - above
    return joining**2 / (2 * np.maximum(upto - above, 1)) + np.maximum(end - upto, 0)


def highest_normal(maps: Maps, masks: Masks, limit: float) -> tuple[Float32[np.ndarray, " k"], int]:
    """Sorted scores of the normal pixels up to the limit, ties included, and how many there are."""
    if not 0 < limit <= 1:
        raise ValueError(f"limit is a false positive rate in (0, 1], not {limit}")
    for i, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
        if mask.dtype != bool or mask.shape != scores.shape:
            raise ValueError(
                f"mask {i} must be bool {scores.shape} like its map, not {mask.dtype} {mask.shape}"
            )
        if np.isnan(scores).any():
            raise ValueError(f"map {i} holds NaN")
    count = sum(mask.size - int(np.count_nonzero(mask)) for mask in masks)
    if not count:
        raise Undefined("no normal pixel")
    if not any(mask.any() for mask in masks):
        raise Undefined("no defective pixel")
    # Every 64th score tells, 2 % on the safe side, how low the limit can reach; where it does not
    # (few pixels, a repetitive texture), all scores are taken.
    sample = np.sort(np.concatenate([m[~mask][::64] for m, mask in zip(maps, masks, strict=True)]))
    for floor in (sample[int(max(0.98 - limit, 0) * sample.size)], -np.inf):
        normal = np.concatenate(
            [m[~mask & (m >= floor)] for m, mask in zip(maps, masks, strict=True)]
        )
        if normal.size >= limit * count:
            break
    normal.sort()
    cut = normal[-int(np.ceil(limit * count))]
    return normal[np.searchsorted(normal, cut) :], count


def regions_of(maps: Maps, masks: Masks) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ascending scores of the defective pixels, their regions, and region sizes, image by image.

    Images without a defective pixel are passed over.
    """
    for scores, mask in zip(maps, masks, strict=True):
        if mask.any():
            region = ndimage.label(mask, np.ones((3, 3)))[0][mask] - 1
            order = np.argsort(scores[mask])  # ordered look-ups stay in the cache
            yield scores[mask][order], region[order], np.bincount(region)
