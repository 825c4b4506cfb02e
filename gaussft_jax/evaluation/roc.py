"""ROC and precision-recall figures of scores, exact and from one sort."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["RankMetrics", "Undefined", "auroc", "check_classes", "rank_metrics", "roc_curve"]

BLOCK = 2**20


class Undefined(ValueError):
    """The metric does not exist for this data; the message is the reason."""


class RankMetrics(NamedTuple):
    """What the order of the scores says about two classes, fractions in [0, 1].

    Attributes:
        auroc: probability that a positive scores above a negative, a tie counted half.
        average_precision: mean over the positives of the precision at their score (AUPR).
        f1_max: largest F1 over all thresholds.
    """

    auroc: float
    average_precision: float
    f1_max: float


def rank_metrics(
    scores: Float[np.ndarray, "*shape"], positive: Bool[np.ndarray, "*shape"]
) -> RankMetrics:
    """AUROC, average precision and largest F1 from one sort.

    At the score of a positive, tp positives and fp negatives lie at or above it, and fp' negatives
    strictly above. AUROC = 1 - mean (fp + fp') / 2N, AP = mean tp / (tp + fp), and F1 =
    2 tp / (tp + fp + P) is largest at the score of a positive.

    Memory: a sorted copy of the scores, 4 bytes for each pixel of a float32 map, and one byte for
    each pixel, above the inputs.

    Args:
        scores: image scores or anomaly maps of any shape, larger is more anomalous.
        positive: which of them are defective.

    Returns:
        The three figures.

    Raises:
        Undefined: a class is empty.
        ValueError: `positive` does not fit the scores, or a score is NaN.
    """
    positives, negatives = _sorted_classes(scores, positive)
    p, n = positives.size, negatives.size
    wrong, precision, f1 = 0, 0.0, 0.0
    for start in range(0, p, BLOCK):
        score = positives[start : start + BLOCK]
        tp = p - np.searchsorted(positives, score)
        fp = n - np.searchsorted(negatives, score)
        above = n - np.searchsorted(negatives, score, side="right")
        wrong += int(fp.sum()) + int(above.sum())
        precision += float((tp / (tp + fp)).sum())
        f1 = max(f1, float((2 * tp / (tp + fp + p)).max()))
    return RankMetrics((2 * p * n - wrong) / (2 * p * n), precision / p, f1)


def auroc(scores: Float[np.ndarray, "*shape"], positive: Bool[np.ndarray, "*shape"]) -> float:
    """Probability that a positive scores above a negative, a tie counted half (`rank_metrics`)."""
    return rank_metrics(scores, positive).auroc


def roc_curve(
    scores: Float[np.ndarray, "*shape"], positive: Bool[np.ndarray, "*shape"]
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """Rates at every distinct score, from the highest.

    Args:
        scores: image scores or anomaly maps of any shape, larger is more anomalous.
        positive: which of them are defective.

    Returns:
        False positive rate, true positive rate and threshold (positive is at or above); the first
        point is (0, 0) at infinity.

    Raises:
        Undefined: a class is empty.
        ValueError: `positive` does not fit the scores, or a score is NaN.
    """
    positives, negatives = _sorted_classes(scores, positive)
    thresholds = np.append(np.unique(scores), scores.dtype.type(np.inf))[::-1]
    fpr, tpr = (1 - np.searchsorted(c, thresholds) / c.size for c in (negatives, positives))
    return fpr, tpr, thresholds


def _sorted_classes(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative scores, each ascending."""
    if positive.dtype != bool or positive.shape != scores.shape:
        raise ValueError(
            f"positive must be bool {scores.shape} like the scores, "
            f"not {positive.dtype} {positive.shape}"
        )
    classes = scores[positive], scores[~positive]
    for ordered in classes:
        ordered.sort()
        if ordered.size and np.isnan(ordered[-1]):
            raise ValueError("scores hold NaN")
    check_classes(*(ordered.size for ordered in classes))
    return classes


def check_classes(positive: int, negative: int) -> None:
    """Refuse an empty class (Undefined), given how many there are of each."""
    for count, name in ((positive, "positive"), (negative, "negative")):
        if not count:
            raise Undefined(f"needs both classes: there is no {name}")
