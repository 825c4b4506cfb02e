"""The difference of two image AUROCs on the same images, and how sure it is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Difference", "paired_difference"]

_RESAMPLES = 2000
_LEVEL = 0.95
_BLOCK = 1024  # defective images at a time, so that memory does not grow with their square


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
    k_ij = [s_i > s_j] + [s_i = s_j] / 2, and that of several folds the mean of theirs. A resample
    draws as many good images from the good ones, and defective from the defective ones, with
    replacement, and gives both sides the same: its difference is sum_ij v_i w_j (k'_ij - k_ij),
    where v and w say how often each image was drawn, over their number. The interval goes from the
    2.5 % to the 97.5 % quantile of 2000 resamples.

    Args:
        first: image scores of each fold, [f n], distance.
        second: of the same images in the same order, its folds [g n], in a unit of its own.
        defective: whether an image has any defect, [n]; of both kinds there is at least one.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    bad, good = int(defective.sum()), int((~defective).sum())
    drawn_good = rng.multinomial(good, np.full(good, 1 / good), _RESAMPLES) / good
    drawn_bad = rng.multinomial(bad, np.full(bad, 1 / bad), _RESAMPLES) / bad
    value, resampled = 0.0, np.zeros(_RESAMPLES)
    for start in range(0, bad, _BLOCK):
        block = slice(start, start + _BLOCK)
        pairs = _won(second, defective, block) - _won(first, defective, block)
        value += float(pairs.sum()) / (good * bad)
        resampled += np.einsum("rb,rb->r", drawn_bad[:, block], drawn_good @ pairs.T)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    # What cancels in all resamples must not be a win by the last bit.
    return Difference(value, *(0.0 if abs(end) < 1e-12 else float(end) for end in (low, high)))


def _won(
    scores: Float[np.ndarray, "f n"], defective: Bool[np.ndarray, " n"], block: slice
) -> Float[np.ndarray, "b m"]:
    """Share of the folds in which a defective image scores above a good one, a tie half."""
    won = 0.0
    for fold in scores:
        bad, good = fold[defective][block, None], fold[~defective]
        won = won + ((bad > good) + 0.5 * (bad == good))
    return won / len(scores)
