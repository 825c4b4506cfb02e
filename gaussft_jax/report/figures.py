"""Figures as inline SVG: text in the page's font, colours from the page's theme."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

if TYPE_CHECKING:  # matplotlib is imported where it draws: `import gaussft_jax.report` stays cheap
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pro_figure", "roc_figure", "score_histogram", "training_curves"]

_INK, _GOOD, _DEFECT = "#010101", "#1b6e8c", "#c2410c"
_THEME = {
    _INK: "currentColor",
    _GOOD: f"var(--good, {_GOOD})",
    _DEFECT: f"var(--defect, {_DEFECT})",
}
_NO_METADATA = dict.fromkeys(["Creator", "Date", "Format", "Type"])
_SIZE = 400, 270  # px; small, so that the text is still legible on a phone
_RC = {
    "svg.fonttype": "none",
    "font.size": 13,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
} | dict.fromkeys(
    ["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"],
    _INK,
)


def score_histogram(scores: Float[np.ndarray, " n"], defective: Bool[np.ndarray, " n"]) -> str:
    """Histogram of the image scores, good against defective, as SVG.

    Args:
        scores: image scores, [n], distance.
        defective: whether an image has any defect, [n].
    """
    kinds = [("good", scores[~defective], _GOOD), ("defective", scores[defective], _DEFECT)]
    kinds = [kind for kind in kinds if kind[1].size]
    spans = [f"{len(x)} {name} from {x.min():.3g} to {x.max():.3g}" for name, x, _ in kinds]
    edges = np.histogram_bin_edges(scores, bins=int(np.clip(2 * np.sqrt(len(scores)), 5, 40)))
    with _axes("histogram") as (figure, (axes,)):
        for name, values, colour in kinds:
            style = {"histtype": "stepfilled", "edgecolor": colour, "facecolor": (colour, 0.35)}
            axes.hist(values, edges, label=name, linewidth=1.25, **style)
        axes.set(xlabel="image score (distance)", ylabel="images")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best")
        return _svg(figure, f"Histogram of the image scores: {'; '.join(spans)}.")


def roc_figure(fpr: Float[np.ndarray, " k"], tpr: Float[np.ndarray, " k"]) -> str:
    """ROC curve of the image scores, as SVG.

    Args:
        fpr: share of the good images at or above each threshold, [k], fraction, ascending.
        tpr: share of the defective images at or above each threshold, [k], fraction.
    """
    area = np.trapezoid(tpr, fpr)
    with _axes("roc") as (figure, (axes,)):
        axes.plot([0, 1], [0, 1], color=_INK, alpha=0.5, linewidth=1, linestyle="--")
        axes.fill_between(fpr, tpr, color=_DEFECT, alpha=0.12, linewidth=0)
        axes.plot(fpr, tpr, color=_DEFECT, clip_on=False)
        axes.set(xlabel="false alarms (share of good images)", ylabel="defects found")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return _svg(figure, f"ROC curve of the image scores, area {100 * area:.2f} %.")


def pro_figure(
    fpr: Float[np.ndarray, " k"], pro: Float[np.ndarray, " k"], limit: float = 0.3
) -> str:
    """Per-region overlap against the share of normal pixels raised, up to `limit`, as SVG.

    Args:
        fpr: share of the normal pixels at or above each threshold, [k], fraction, ascending.
        pro: mean covered fraction of the defective regions, [k], fraction.
        limit: the share of normal pixels up to which the area counts.
    """
    # A threshold per distinct score is millions of points; a screen shows a few hundred.
    x = np.linspace(0, limit, 301)
    y = np.interp(x, fpr, pro)
    with _axes("pro") as (figure, (axes,)):
        axes.fill_between(x, y, color=_GOOD, alpha=0.12, linewidth=0)
        axes.plot(x, y, color=_GOOD, clip_on=False)
        axes.set(xlabel="normal pixels raised (share)", ylabel="region covered")
        axes.set(xlim=(0, limit), ylim=(0, 1))
        covered = f"{100 * y[-1]:.1f} % of a defective region covered"
        return _svg(figure, f"PRO curve: {covered} where {100 * limit:.0f} % of normal pixels are.")


def training_curves(histories: Sequence[Mapping[str, Any]]) -> str:
    """Loss and vicinity AUROC over the epochs, one line per fold, as SVG.

    Args:
        histories: one per fold, with `loss`, distance, NaN at first, and `vicinity_auroc`,
            fraction, both [epochs + 1], of the pre-trained network (epoch 0) and after each epoch;
            and `best_epoch`, the epoch that was kept (dotted in the figure).
    """
    with _axes("training", 2) as (figure, (above, below)):
        for history in histories:
            auroc, best = history["vicinity_auroc"], history["best_epoch"]
            line = {"color": _GOOD, "alpha": 0.8, "linewidth": 1.5}
            above.plot(history["loss"], **line)
            below.plot(auroc, **line)
            below.plot(best, auroc[best], "o", color=_DEFECT, markersize=6)
        above.set(ylabel="loss")
        below.set(ylabel="vicinity AUROC", xlabel="epoch")
        below.xaxis.get_major_locator().set_params(integer=True)
        figure.align_ylabels()
        best = ", ".join(str(history["best_epoch"]) for history in histories)
        return _svg(figure, f"Training loss and vicinity AUROC by epoch; best epoch: {best}.")


@contextmanager
def _axes(name: str, rows: int = 1) -> "Iterator[tuple[Figure, Sequence[Axes]]]":
    """A figure in the style of the pages, and its axes below each other."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    width, height = _SIZE
    # Ids hang on the salt: those of two figures in one page must not meet.
    with rc_context(_RC | {"svg.hashsalt": name}):
        figure = Figure(figsize=(width / 72, height / 72))
        yield figure, figure.subplots(rows, sharex=True, squeeze=False)[:, 0]


def _svg(figure: "Figure", alt: str) -> str:
    file = StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub("|".join(_THEME), lambda match: _THEME[match[0]], svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
