"""The scored test images of one fold: what metrics, figures and the report are made from."""

from typing import NamedTuple

import numpy as np

__all__ = ["GOOD", "Scored"]

GOOD = "good"


class Scored(NamedTuple):
    """Test images with their scores and anomaly maps, in the order of `data.Category.test`.

    Attributes:
        names: `defect/file` of each image, [n].
        labels: `good`, or the name of the defect (its folder), [n].
        scores: image scores, float [n], distance (`gaussian.image_score`).
        maps: anomaly maps, float32 [n s s], distance.
        masks: defective pixels, bool [n s s] (all False for good images); None without masks.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    maps: np.ndarray
    masks: np.ndarray | None

    @property
    def defective(self) -> np.ndarray:
        """Whether an image has any defect, bool [n]."""
        return np.array([label != GOOD for label in self.labels])
