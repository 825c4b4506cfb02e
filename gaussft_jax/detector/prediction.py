"""What a detector says of images."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image

__all__ = ["NOT_CALIBRATED", "Prediction", "map_at"]

NOT_CALIBRATED = "the detector is not calibrated: fit it with calibrate='split'"


class Prediction(NamedTuple):
    """Judged images.

    Attributes:
        scores: float32 [n], in the method's distance, mean over the detector's models.
        maps: anomaly maps, float32 [n s s], distance, likewise.
        p_values: how often a good image looks at least as anomalous, in (0, 1], float64 [n]; None
            without calibration. Calling all of p <= alpha defective raises a false alarm for a
            share of at most alpha of the good images (see `evaluation.p_values`; across folds,
            `evaluation.cross_p_values`).
    """

    scores: Float[np.ndarray, " n"]
    maps: Float[np.ndarray, "n s s"]
    p_values: Float[np.ndarray, " n"] | None

    def defective(self, alpha: float = 0.01) -> Bool[np.ndarray, " n"]:
        """Which images raise an alarm at a false-alarm rate of `alpha`, bool [n].

        Raises:
            ValueError: the detector is not calibrated.
        """
        if self.p_values is None:
            raise ValueError(NOT_CALIBRATED)
        return self.p_values <= alpha


def map_at(
    map: Float32[np.ndarray, "s s"], height: int, width: int
) -> Float32[np.ndarray, "{height} {width}"]:
    """An anomaly map as large as its photograph.

    Bilinear: no value is above the largest of the map, which is what pixel thresholds are about.

    Args:
        map: of the photograph resized to a square, distance, float32 [s s].
        height: of the photograph, pixels.
        width: likewise.

    Returns:
        distance, float32 [height width].
    """
    return np.asarray(Image.fromarray(map).resize((width, height), Image.Resampling.BILINEAR))
