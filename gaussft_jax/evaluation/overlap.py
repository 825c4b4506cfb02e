"""How well a mask fits the true one, at a threshold that was chosen without it."""

from typing import NamedTuple

import numpy as np

from gaussft_jax.evaluation.pro import Maps, Masks
from gaussft_jax.evaluation.roc import Undefined

__all__ = ["Overlap", "overlap"]


class Overlap(NamedTuple):
    """What the masks at one threshold have in common with the true ones, fractions in [0, 1].

    Attributes:
        f1: 2 TP / (2 TP + FP + FN), also known as Dice.
        iou: TP / (TP + FP + FN).
    """

    f1: float
    iou: float


def overlap(maps: Maps, masks: Masks, threshold: float) -> Overlap:
    """F1 and intersection over union of all pixels of all images together.

    Args:
        maps: anomaly maps, distance, float32 [n h w], or n maps [h w] of any sizes.
        masks: defective pixels, bool of the same shapes.
        threshold: largest distance that is no defect (`Detector.pixel_threshold`).

    Raises:
        Undefined: there is no defective pixel.
    """
    true = found = both = 0
    for map, mask in zip(maps, masks, strict=True):
        marked = map > threshold
        true += int(np.count_nonzero(mask))
        found += int(np.count_nonzero(marked))
        both += int(np.count_nonzero(marked & mask))
    if not true:
        raise Undefined("no defective pixel")
    total = true + found
    return Overlap(2 * both / total, both / (total - both))
