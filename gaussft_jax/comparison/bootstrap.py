"""The difference of two image AUROCs on the same images, and how sure it is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from gaussft_jax.evaluation import draw_images, interval, resampled_auroc

__all__ = ["Difference", "paired_difference"]

_RESAMPLES = 2000


class Difference(NamedTuple):
    """How much higher an image AUROC is than another.

    Attributes:
        value: fraction in [-1, 1].
        low: lower end of the 95 % interval, fraction; None where there is no interval.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """`win` or `loss` where the interval leaves 0 out, else `tie`; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return "win" if self.low > 0 else "loss" if self.high < 0 else "tie"


def paired_difference(
    first: Float[np.ndarray, "f n"],
    second: Float[np.ndarray, "g n"],
    defective: Bool[np.ndarray, " n"],
    seed: int = 0,
) -> Difference:
    """Image AUROC of `second` less that of `first`, with a paired, stratified bootstrap interval.

    An AUROC is the mean over pairs of a defective image i and a good one j of
    [s_i > s_j] + [s_i = s_j] / 2, and that of several folds the mean of theirs. A resample draws as
    many good images from the good ones, and defective from the defective ones, with replacement,
    and gives both sides the same: a pair counts as often as both its images were drawn. The
    interval goes from the 2.5 % to the 97.5 % quantile of the differences of 2000 resamples.

    Args:
        first: image scores of each fold, [f n], distance.
        second: of the same images in the same order, its folds [g n], in a unit of its own.
        defective: whether an image has any defect, [n]; of both kinds there is at least one.
        seed: of the resamples.
    """
    # The images as they are, then the resamples, of which those of the good images come first.
    once = np.ones((1, len(defective)), int)
    draws = np.concatenate([once, draw_images(~defective, _RESAMPLES, seed)])
    aurocs, others = (
        np.mean([resampled_auroc(fold, defective, draws) for fold in folds], axis=0)
        for folds in (second, first)
    )
    differences = aurocs - others
    # What cancels in all resamples must not be a win by the last bit.
    ends = (0.0 if abs(end) < 1e-12 else end for end in interval(differences[1:]))
    return Difference(float(differences[0]), *ends)
