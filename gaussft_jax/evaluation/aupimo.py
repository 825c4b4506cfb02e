"""Per-image overlap (PIMO): the share of each image's defect found, against alarms on good ones."""

import numpy as np
from jaxtyping import Bool

from gaussft_jax.evaluation.pro import Maps, Masks
from gaussft_jax.evaluation.roc import Undefined

__all__ = ["aupimo"]


def aupimo(
    maps: Maps,
    masks: Masks,
    good: Bool[np.ndarray, " n"],
    lower: float = 1e-5,
    upper: float = 1e-4,
) -> float:
    """Mean over defective images of the area under their overlap, over the log of the alarms.

    AUPIMO_i = 1 / log(U / L) * integral over log F from log L to log U of TPR_i, with TPR_i(t) the
    share of image i's defective pixels at or above t, and F(t) the mean over good images of their
    share of pixels at or above t. Only good images set thresholds. Exact: each of their distinct
    scores is one, and TPR_i is linear in log F between two of them. Below the first F that a
    threshold reaches, what counts are the pixels that score above all pixels of all good images.

    Memory above the inputs: two copies of the good images' maps.

    Args:
        maps: anomaly maps of all images, float32 [n h w], or n maps [h w], without NaN; those of
            good images are of one size.
        masks: defective pixels, bool of the same shapes; an image without any has no overlap and
            is left out.
        good: which images are good, bool [n]; their masks are not looked at.
        lower: L, false positive rate, above 0.
        upper: U, false positive rate, above `lower` and at most 1.

    Returns:
        Fraction in [0, 1].

    Raises:
        Undefined: no good image, no defective pixel, less than 1 / L pixels of good images, or
            good images of several sizes, whose pixels do not count alike.
        ValueError: the bounds are no rates in this order.

    Reference:
        Bertoldo, Ameln, Vaidya and Akcay, AUPIMO: Redefining visual anomaly detection benchmarks
        with high speed and low tolerance, 2024. There the thresholds are a grid of equal steps, and
        the bounds those of it that come closest.
    """
    if not 0 < lower < upper <= 1:
        raise ValueError(f"bounds are rates, 0 < lower < upper <= 1, not {lower} and {upper}")
    if not good.any():
        raise Undefined("no good image")
    of_good = [maps[i] for i in np.flatnonzero(good)]
    if len({map.shape for map in of_good}) > 1:
        raise Undefined("the good images are of several sizes")
    normal = np.concatenate([map.ravel() for map in of_good])
    count = normal.size
    if count * lower < 1 - 1e-9:
        raise Undefined(
            f"a false positive rate of {lower:g} needs {np.ceil(1 / lower):.0f} pixels of good "
            f"images, there are {count}"
        )
    defective = [i for i in np.flatnonzero(~good) if masks[i].any()]
    if not defective:
        raise Undefined("no defective pixel")
    kth = count - int(np.ceil(upper * count))
    normal.partition(kth)
    normal = np.sort(normal[normal >= normal[kth]])  # ties included
    low, high = np.log(lower), np.log(upper)
    overlaps = [_area(normal, maps[i][masks[i]], count, low, high).mean() for i in defective]
    return float(np.mean(overlaps) / (high - low))


def _area(
    normal: np.ndarray, scores: np.ndarray, count: int, low: float, high: float
) -> np.ndarray:
    """Area under each pixel's own curve over log F: 0, then rising between two thresholds, then 1.

    The pixel is missed at the last threshold above its score, where F = above / count, and found
    at the next, where F = upto / count; scores below all of `normal` are not found up to U.
    """
    above = normal.size - np.searchsorted(normal, scores, side="right")
    found = scores >= normal[0]
    next_score = normal[np.where(found, normal.size - above - 1, 0)]
    upto = normal.size - np.searchsorted(normal, next_score)
    end = np.log(upto / count)
    begin = np.where(above, np.log(np.maximum(above, 1) / count), end)  # no log of 0: a jump
    a, b = np.clip(begin, low, high), np.clip(end, low, high)
    rise = np.maximum(end - begin, np.finfo(float).tiny)
    area = ((b - begin) ** 2 - (a - begin) ** 2) / (2 * rise) + high - b
    return np.where(scores > normal[-1], high - low, np.where(found, area, 0))
