"""The figures of one fold, overall and for each defect, and their means."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from gaussft_jax.data import GOOD
from gaussft_jax.evaluation.aupimo import aupimo
from gaussft_jax.evaluation.pro import all_pixels, aupro
from gaussft_jax.evaluation.roc import Undefined, rank_metrics
from gaussft_jax.evaluation.scored import Scored
from gaussft_jax.evaluation.spro import auspro

__all__ = ["HEADLINES", "METRICS", "evaluate", "mean_and_sem", "summarise"]

HEADLINES = ("image_auroc", "pixel_auroc", "aupro")


class _Figures(NamedTuple):
    """Figures that are computed together.

    Attributes:
        titles: of each, by its name in results.json.
        compute: their values in this order, fractions; raises Undefined.
        apply: whether the data can have them at all; where not, they are not named either.
    """

    titles: dict[str, str]
    compute: Callable[[Scored], Sequence[float]]
    apply: Callable[[Scored], bool] = lambda _: True


_REGISTRY = (
    _Figures(
        {"image_auroc": "Image AUROC", "image_aupr": "Image AUPR", "image_f1_max": "Image F1"},
        lambda of: rank_metrics(of.scores, of.defective),
    ),
    _Figures(
        {"pixel_auroc": "Pixel AUROC", "pixel_aupr": "Pixel AUPR", "pixel_f1_max": "Pixel F1"},
        lambda of: rank_metrics(all_pixels(of.maps), all_pixels(of.known_masks)),
    ),
    _Figures({"aupro": "PRO"}, lambda of: [aupro(of.maps, of.known_masks)]),
    _Figures({"aupro_05": "PRO to 5 %"}, lambda of: [aupro(of.maps, of.known_masks, 0.05)]),
    _Figures({"aupimo": "AUPIMO"}, lambda of: [aupimo(of.maps, of.known_masks, ~of.defective)]),
    _Figures(
        {"auspro": "sPRO", "auspro_05": "sPRO to 5 %"},
        lambda of: [auspro(of.maps, of.known_masks, of.regions, limit) for limit in (0.3, 0.05)],
        lambda of: of.regions is not None,
    ),
)

_TITLES = {name: title for figures in _REGISTRY for name, title in figures.titles.items()}
METRICS = {name: _TITLES[name] for name in (*HEADLINES, *_TITLES)}
"""The title of every figure by its name in results.json; the headlines come first."""


def evaluate(scored: Scored) -> tuple[dict[str, Any], dict[str, str]]:
    """Metrics of a fold, ready for JSON, and why those that are None cannot be computed.

    Pixel metrics take all pixels of all images together. `by_defect` sets the images of one defect
    against the good ones; their maps are copied, one defect at a time.

    Args:
        scored: test images with scores, maps and masks.

    Returns:
        Fractions in [0, 1] or None under the names of `METRICS`, sPRO only where there are regions,
        and under `by_defect` a dict {defect: {headline: fraction}}; and the notes,
        {metric: reason}. A defect's note, where it differs from the note on all defects, is named
        `by_defect.DEFECT.METRIC`.

    Raises:
        ValueError: a score or a map holds NaN; the message names the first such image.
    """
    for name, score, scores in zip(scored.names, scored.scores, scored.maps, strict=True):
        if np.isnan(score) or np.isnan(scores).any():
            raise ValueError(f"{name}: its score or anomaly map holds NaN")
    metrics, notes = _metrics(scored)
    metrics["by_defect"] = {}
    labels = np.array(scored.labels)
    for defect in sorted({*scored.labels} - {GOOD}):
        values, reasons = _metrics(
            _choose(scored, (labels == GOOD) | (labels == defect)), HEADLINES
        )
        metrics["by_defect"][defect] = {key: values[key] for key in HEADLINES}
        for key in HEADLINES:
            if reasons.get(key) != notes.get(key):
                notes[f"by_defect.{defect}.{key}"] = reasons[key]
    return metrics, notes


def summarise(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean over folds of every metric, nested as they are; None where any fold has None.

    Args:
        folds: what `evaluate` measured on each fold, one or more.

    Returns:
        The same keys, fractions or None.

    Raises:
        ValueError: the folds do not hold the same metrics.
    """
    mean = {}
    for key in {key: None for fold in folds for key in fold}:
        if any(key not in fold for fold in folds):
            raise ValueError(
                f"{key} is missing from some folds: evaluate them on the same test set"
            )
        values = [fold[key] for fold in folds]
        if isinstance(values[0], dict):
            mean[key] = summarise(values)
        else:
            mean[key] = None if None in values else float(np.mean(values))
    return mean


def mean_and_sem(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error (ddof = 1), which a single value does not have: None.

    Args:
        values: one figure for each category, one or more.

    Returns:
        Mean and standard error, in the unit of the values.
    """
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1) / n**0.5) if n > 1 else None


def _metrics(
    scored: Scored, names: Collection[str] = METRICS
) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures of `names`, with those that are computed together with them, and the notes."""
    metrics, notes = {}, {}
    for titles, compute, apply in _REGISTRY:
        if titles.keys().isdisjoint(names) or not apply(scored):
            continue
        try:
            metrics |= zip(titles, compute(scored), strict=True)
        except Undefined as reason:
            metrics |= dict.fromkeys(titles)
            notes |= dict.fromkeys(titles, str(reason))
    return metrics, notes


def _choose(scored: Scored, chosen: np.ndarray) -> Scored:
    def of(maps):
        if isinstance(maps, np.ndarray):
            return maps[chosen]
        return [maps[i] for i in np.flatnonzero(chosen)]

    return Scored(
        tuple(np.array(scored.names)[chosen]),
        tuple(np.array(scored.labels)[chosen]),
        scored.scores[chosen],
        of(scored.maps),
        None if scored.masks is None else of(scored.masks),
    )
