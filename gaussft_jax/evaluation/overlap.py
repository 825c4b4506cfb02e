"""How well a mask fits the true one, at a threshold that was chosen without it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

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


def overlap(
    maps: Float32[np.ndarray, "n h w"], masks: Bool[np.ndarray, "n h w"], threshold: float
) -> Overlap:
    """F1 and intersection over union of all pixels of all images together.

    Args:
        maps: anomaly maps, float32 [n h w], distance.
        masks: defective pixels, bool [n h w].
        threshold: largest distance that is no defect (`Detector.pixel_threshold`).

    Raises:
        Undefined: there is no defective pixel.
    """
    true = int(np.count_nonzero(masks))
    if not true:
        raise Undefined("no defective pixel")
    marked = maps > threshold
    both = int(np.count_nonzero(marked & masks))
    total = int(np.count_nonzero(marked)) + true
    return Overlap(2 * both / total, both / (total - both))
