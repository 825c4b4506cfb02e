"""Thresholds from good images alone: conformal p-values, whose false-alarm rate is chosen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

__all__ = ["Calibration", "cross_p_values", "p_values", "threshold"]


class Calibration(NamedTuple):
    """What good images that were held out of the fit look like to the detector.

    Attributes:
        scores: for each model, those of the images held out of it, distance.
        peaks: the largest value in the map of each of these images by its model, distance [n].
    """

    scores: tuple[Float[np.ndarray, " _"], ...]
    peaks: Float[np.ndarray, " n"]

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that n held-out images can tell, 1 / (n + 1)."""
        return 1 / (1 + len(self.peaks))

    def rate(self, alpha: float | None = None) -> float:
        """The false-alarm rate to decide at: `alpha`, else 1 %, or the smallest where that is more.

        Raises:
            ValueError: the images are too few for it.
        """
        alpha = alpha or max(0.01, self.smallest_rate)
        threshold(self.peaks, alpha)
        return alpha


def p_values(
    calibration: Float[np.ndarray, " n"], scores: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Split-conformal p-value of each score: p = (1 + #{calibration >= score}) / (n + 1).

    For a new good image, exchangeable with the calibration images, P(p <= alpha) <= alpha at any
    alpha and any n, whatever the distribution of the scores; the probability is over calibration
    and new image together. No p is smaller than 1 / (n + 1).

    Args:
        calibration: scores of n >= 1 good images on which nothing was fitted or tuned, distance.
        scores: of the images to judge, in the same unit.

    Returns:
        float64 [m], in (0, 1].

    Raises:
        ValueError: there are no calibration scores.

    Reference:
        Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005.
    """
    return cross_p_values([calibration], scores[None])


def cross_p_values(
    calibration: Sequence[Float[np.ndarray | Array, " _"]], scores: Float[np.ndarray | Array, "k m"]
) -> Float[np.ndarray | Array, " m"]:
    """Cross-conformal p-value: each image held out of one fold judges by that fold's model.

    p = (1 + sum_k #{calibration_k >= score by model k}) / (n + 1) with n held-out images in all.
    Every good image serves both to fit and to calibrate, so that few images reach small p. The
    price is a weaker guarantee: P(p <= alpha) <= 2 alpha + (1 - k / n) / (k + 1) for k equal folds;
    in practice the rate stays near alpha.

    Args:
        calibration: for each fold, the scores of its held-out good images by its model.
        scores: of the images to judge by each fold's model, [k m].

    Returns:
        float64 [m], in (0, 1]; of JAX's arrays, one of JAX's in its default precision.

    Raises:
        ValueError: there are no calibration scores.

    Reference:
        Vovk, Cross-conformal predictors, 2015; Barber, Candes, Ramdas and Tibshirani, Predictive
        inference with the jackknife+, 2021, theorem 4.
    """
    n = sum(map(len, calibration))
    if not n:
        raise ValueError("no calibration scores: hold some good images out of the fit")
    at_least = sum(
        (held_out[:, None] >= of_model).sum(0)
        for held_out, of_model in zip(calibration, scores, strict=True)
    )
    return (1 + at_least) / (n + 1)


def threshold(calibration: Float[np.ndarray, " n"], alpha: float) -> float:
    """The largest score that is no alarm: `p_values(score) <= alpha` exactly above it.

    Args:
        calibration: as in `p_values`.
        alpha: false-alarm rate, at least 1 / (n + 1).

    Raises:
        ValueError: so few calibration scores cannot tell such a small rate.
    """
    n = len(calibration)
    rank = int(np.floor(alpha * (n + 1) + 1e-9))  # 1 + alarms among the calibration scores
    if rank < 1:
        raise ValueError(
            f"a false-alarm rate of {alpha:g} needs {int(np.ceil(1 / alpha)) - 1} good images held "
            f"out, there are {n}"
        )
    return float(np.sort(calibration)[n - rank]) if rank <= n else -np.inf
