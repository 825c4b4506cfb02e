"""What a detector says of images."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["NOT_CALIBRATED", "Prediction"]

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
