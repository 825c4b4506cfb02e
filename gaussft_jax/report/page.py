"""One HTML file that shows what a run found: offline, on any screen."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from gaussft_jax.data import GOOD
from gaussft_jax.evaluation import METRICS, Scored, Undefined, pro_curve, roc_curve, summarise
from gaussft_jax.files import write_text
from gaussft_jax.report.figures import pro_figure, roc_figure, score_histogram, training_curves
from gaussft_jax.report.gallery import LevelMaps, galleries
from gaussft_jax.report.overlays import COLOURS, map_range
from gaussft_jax.report.templates import csp_hash, template

__all__ = ["SCRIPT", "STYLE", "write_report"]

STYLE = Path(__file__).with_name("page.css")
"""The style sheet of the project's pages."""
SCRIPT = Path(__file__).with_name("page.js")
"""The script of a page: enlarges its pictures in `<dialog id="zoom">`, moves a report's slider."""

_METRICS = {**METRICS, "vicinity_auroc": "Vicinity AUROC"}
_COUNTERS = {"epochs": "Epochs", "best_epoch": "Best epoch", "seconds": "Seconds"}

_SCORES = (
    "The further apart the two colours, the better. Where they overlap, no threshold tells good "
    "from defective."
)
_ROC = (
    "Each point is a threshold: the share of defective images it finds against the share of good "
    "ones it raises by mistake. The dashed line is chance."
)
_PRO = (
    "How much of a defective region the anomaly map covers, on average, against the share of "
    "normal pixels it covers too. PRO is the shaded share of the square."
)
_TRAINING = (
    "One line per fold. The vicinity AUROC is measured on synthetic defects; the dot marks the "
    "epoch that was kept."
)


class _Plot(NamedTuple):
    """A figure with its heading and a sentence that says how to read it."""

    title: str
    reading: str
    svg: str


def write_report(
    path: str | PathLike[str],
    *,
    results: Mapping[str, Any],
    images: UInt8[np.ndarray, "n s s 3"],
    scored: Scored,
    histories: Sequence[Mapping[str, Any]] = (),
    fold: int = 0,
    p_values: Float[np.ndarray, " n"] | None = None,
    level_maps: LevelMaps | None = None,
) -> Path:
    """Write the report of a run as one HTML file and return its path.

    The file holds all that it shows. It is written beside `path` and then renamed, so that a
    failure leaves an earlier report as it was.

    Args:
        path: the file to write; its folder is created if missing.
        results: what results.json says of the run.
        images: test photographs, uint8 [n s s 3], in the order of `scored`.
        scored: the test images as one fold scored them.
        histories: training history of each fold (`training_curves`); empty without training.
        fold: the fold that `scored` comes from.
        p_values: of the images, for decisions at a false-alarm rate that the reader chooses.
        level_maps: distances of each level, for the images of `shown`, by their index.
    """
    here = Path(__file__).parent
    pretty = partial(json.dumps, indent=2, ensure_ascii=False)
    page = template(here / "page.html.j2", percent=_percent, number=_number, pretty=pretty)
    low, high = map_range(scored)
    script = SCRIPT.read_text(encoding="utf-8")
    judged = None
    if p_values is not None and len(set(scored.defective.tolist())) == 2:
        judged = json.dumps(list(zip(p_values.tolist(), scored.defective.tolist(), strict=True)))
    by_defect = [fold["by_defect"] for fold in results["folds"] if "by_defect" in fold]
    metrics = _columns(_METRICS, results["folds"])
    of_folds = [{key: fold.get(key) for key in metrics} for fold in results["folds"]]
    text = page.render(
        results=results,
        notes=results.get("notes", {}),
        metrics=metrics,
        means={**summarise(of_folds), **results["mean"]},
        counters=_columns(_COUNTERS, results["folds"]),
        defects=summarise(by_defect) if by_defect else {},
        counts=Counter(scored.labels),
        good=GOOD,
        fold=fold,
        plots=_plots(scored, histories),
        groups=galleries(images, scored, p_values, level_maps),
        outlined=scored.masks is not None,
        low=low,
        high=high,
        gradient=_gradient(),
        judged=judged,
        script=script,
        script_hash=csp_hash(script),
    )
    write_text(path, text)
    return Path(path)


def _percent(fraction: float | int | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _number(x: float | int | None) -> str:
    if x is None:
        return "-"
    return f"{x:#.4g}" if isinstance(x, float) and abs(x) < 1000 else f"{x:,.0f}"


def _columns(names: Mapping[str, str], folds: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {key: name for key, name in names.items() if any(key in fold for fold in folds)}


def _plots(scored: Scored, histories: Sequence[Mapping[str, Any]]) -> list[_Plot]:
    """The figures that the data can have: no curve without both classes or without masks."""
    defective = scored.defective
    plots = [_Plot("Scores", _SCORES, score_histogram(scored.scores, defective))]
    with suppress(Undefined):
        fpr, tpr, _ = roc_curve(scored.scores, defective)
        plots.append(_Plot("ROC curve", _ROC, roc_figure(fpr, tpr)))
    if scored.masks is not None:
        with suppress(Undefined):
            fpr, pro, _ = pro_curve(scored.maps, scored.masks)
            plots.append(_Plot("PRO curve", _PRO, pro_figure(fpr, pro)))
    if histories:
        plots.append(_Plot("Training", _TRAINING, training_curves(histories)))
    return plots


def _gradient() -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return ", ".join(to_hex(colour) for colour in colormaps[COLOURS](np.linspace(0, 1, 9)))
