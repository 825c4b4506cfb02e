"""A detector measured on labelled images, and results.json: the same for folds and evaluations."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from gaussft_jax.data import Category, Region, read_full_masks, read_masks, read_regions
from gaussft_jax.detector import Detector, map_at
from gaussft_jax.evaluation import HEADLINES, Scored, evaluate, intervals, overlap, summarise
from gaussft_jax.network import Images
from gaussft_jax.versions import versions

__all__ = ["Measured", "Truth", "measure", "read_truth", "results_of"]

_RATES = (0.01, 0.05, 0.1)


class Truth(NamedTuple):
    """What is known of test images: all that `measure` asks for behind them, see there."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    masks: Bool[np.ndarray, "n s s"] | None
    regions: tuple[tuple[Region, ...], ...] | None
    full_masks: Sequence[Bool[np.ndarray, "_ _"]] | None


def read_truth(category: Category, size: int, evaluate_at: str = "image_size") -> Truth:
    """What is known of a category's test images.

    Args:
        category: as from `data.read_category`.
        size: side of the images that are judged, pixels.
        evaluate_at: where pixels are counted, at that size or on masks as they are, `original`.

    Raises:
        ImageError: as from `data.read_masks` and `data.read_regions`.
    """
    original = evaluate_at == "original"
    return Truth(
        tuple(test.name for test in category.test),
        tuple(test.label for test in category.test),
        read_masks(category.test, size),
        read_regions(category, None if original else size),
        read_full_masks(category.test) if original else None,
    )


class Measured(NamedTuple):
    """What a detector makes of labelled images.

    Attributes:
        scored: names, labels, scores, maps and masks, of the size at which images were judged.
        p_values: float64 [n]; None without calibration.
        metrics: as `evaluation.evaluate` gives them; `interval`, as `evaluation.intervals`; and
            `alpha`, a row for each false-alarm rate.
        notes: why metrics that are None cannot be computed; `interval.METRIC` of an interval,
            `alpha.RATE.FIELD` of a row.
    """

    scored: Scored
    p_values: Float[np.ndarray, " n"] | None
    metrics: dict[str, Any]
    notes: dict[str, str]


def measure(
    detector: Detector,
    images: Images,
    names: Sequence[str],
    labels: Sequence[str],
    masks: Bool[np.ndarray, "n s s"] | None,
    regions: tuple[tuple[Region, ...], ...] | None = None,
    full_masks: Sequence[Bool[np.ndarray, "_ _"]] | None = None,
) -> Measured:
    """Judge labelled images and measure how well that was done.

    Args:
        detector: fitted.
        images: RGB, uint8 [n s s 3], or a share.
        names: `label/file` of each image.
        labels: `good`, or the name of the defect.
        masks: defective pixels, bool [n s s]; None where there are none.
        regions: of each image, as `data.read_regions` gives them, of the size of the masks that
            count.
        full_masks: defective pixels, n bool [h w], each as large as its photograph; where they are
            given, figures of pixels are about them, and about maps enlarged as `predict` does.
    """
    predicted = detector.predict(images, progress="judge")
    scored = Scored(tuple(names), tuple(labels), predicted.scores, predicted.maps, masks, regions)
    counted = scored
    if full_masks is not None:
        maps = [map_at(map, *mask.shape) for map, mask in zip(scored.maps, full_masks, strict=True)]
        counted = scored._replace(maps=maps, masks=full_masks)
    metrics, notes = evaluate(counted)
    metrics["interval"], reasons = intervals(counted)
    notes |= {f"interval.{name}": reason for name, reason in reasons.items()}
    metrics["alpha"] = []
    for rate in _RATES if predicted.p_values is not None else ():
        marked, reasons = _marked(detector, rate, counted)
        row = _counted(rate, predicted.defective(rate), scored.defective) | marked
        metrics["alpha"].append(row)
        notes |= {f"alpha.{rate:g}.{name}": reason for name, reason in reasons.items()}
    return Measured(scored, predicted.p_values, metrics, notes)


def _counted(alpha: float, alarm: np.ndarray, defective: np.ndarray) -> dict[str, Any]:
    return {
        "alpha": alpha,
        "good": int((~defective).sum()),
        "false_alarms": int((alarm & ~defective).sum()),
        "defective": int(defective.sum()),
        "missed": int((~alarm & defective).sum()),
    }


def _marked(
    detector: Detector, alpha: float, scored: Scored
) -> tuple[dict[str, float | None], dict[str, str]]:
    """The detector's own pixel threshold, how well the masks above it fit, and the notes."""
    found = dict.fromkeys(("pixel_threshold", "mask_f1", "mask_iou"))
    try:
        found["pixel_threshold"] = detector.pixel_threshold(alpha)
        fit = overlap(scored.maps, scored.known_masks, found["pixel_threshold"])
    except ValueError as reason:  # too few calibration images, or Undefined
        return found, {name: str(reason) for name, value in found.items() if value is None}
    return found | {"mask_f1": fit.f1, "mask_iou": fit.iou}, {}


def results_of(
    detector: Detector,
    category: str,
    folds: Sequence[dict[str, Any]],
    config: dict[str, Any],
) -> dict[str, Any]:
    """What results.json holds, ready for JSON.

    Args:
        detector: of any fold; says method, network and image size.
        category: its name.
        folds: for each `fold`, its number; `metrics` and `notes` of `Measured`; and what else is
            known of it.
        config: what was asked for.
    """
    notes = {key: note for record in folds for key, note in record["notes"].items()}
    return {
        "schema": 1,
        "category": category,
        "method": detector.method.name,
        "options": detector.options,
        "backbone": detector.backbone.name,
        "image_size": detector.image_size,
        "gaussian": detector.options.get("gaussian"),
        "aggregation": detector.method.aggregation,
        "tuned": detector.tuned,
        "folds": [{k: v for k, v in record.items() if k != "notes"} for record in folds],
        "alpha": folds[0].get("alpha", []),  # absent in folds of before the field
        "mean": summarise([{key: record[key] for key in HEADLINES} for record in folds]),
        "notes": notes,
        "set_up": detector.set_up,
        "config": config,
        "versions": versions(),
    }
