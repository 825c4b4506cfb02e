"""Runs side by side: their figures, and the difference of each to the first of its category."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gaussft_jax.comparison.bootstrap import Difference, paired_difference
from gaussft_jax.comparison.runs import Run, Tested
from gaussft_jax.data import GOOD
from gaussft_jax.evaluation import METRICS, auroc

__all__ = ["Comparison", "Row", "Tally", "aligned", "compare"]

_COUNTERS = {"fold", "epochs", "best_epoch", "seconds"}  # of a fold, which are no figures
_ROUNDING = 0.005  # of figures that somebody wrote by hand


class Row(NamedTuple):
    """What one run says of one category, or of one of its defects.

    Attributes:
        category: its name.
        run: the run's.
        base: the first run of the category, to which `difference` is taken; empty for that one.
        defect: its name; empty for all together.
        images: how many show it, or how many test images there are; None where nobody knows.
        figures: fractions in [0, 1], or None, by their name in results.json.
        difference: of the image AUROC to that of `base`; None where one of them has none.
    """

    category: str
    run: str
    base: str
    defect: str
    images: int | None
    figures: dict[str, float | None]
    difference: Difference | None


class Tally(NamedTuple):
    """In how many categories a run is better than the first, within the interval, or worse."""

    run: str
    base: str
    wins: int
    ties: int
    losses: int


class Comparison(NamedTuple):
    """Runs side by side.

    Attributes:
        runs: what is compared.
        figures: names in results.json, with their titles, of what any of them measured.
        headlines: those of `figures` that results.json gives a mean of.
        rows: by category, the runs in their order.
        defects: by category and defect; empty without defects.
        tallies: of runs that have two categories or more in common with the first.
        notes: what could not be compared and why, a line each.
    """

    runs: list[Run]
    figures: dict[str, str]
    headlines: list[str]
    rows: list[Row]
    defects: list[Row]
    tallies: list[Tally]
    notes: list[str]


def compare(runs: Sequence[Run]) -> Comparison:
    """Set runs side by side, those of one category beside each other.

    The figures are those of results.json, whatever it holds. Intervals are those of
    `paired_difference`, where both runs were tested on the same images, by name and label.

    Args:
        runs: from `read_runs`; the first of each category is what the others are compared with.
    """
    every = [_figures(run) for run in runs]
    headlines = {key for run in runs for key in run.results["mean"]}
    measured = {key for figures in every for key in figures if figures[key] is not None}
    known = measured | {key for figures in every for key in figures if key in headlines}
    keys = [key for key in METRICS if key in known] + sorted(known - METRICS.keys())
    rows, defects, notes = [], [], []
    for category in dict.fromkeys(run.category for run in runs):
        own = [run for run in runs if run.category == category]
        first = own[0]
        own = [aligned(run, first) for run in own]
        for run in own:
            if why := run.note if run.name == first.name else _unpaired(first, run):
                notes.append(f"{category}, {run.name}: {why}: no interval")
            if doubt := _doubt(run):
                notes.append(f"{category}, {run.name}: {doubt}")
            rows.append(_row(first, run, ""))
        tested = {label for run in own if run.tested for label in run.tested.labels}
        told = {key for run in own for fold in run.results["folds"] for key in _by_defect(fold)}
        for defect in sorted((tested | told) - {GOOD}):
            defects += [_row(first, run, defect) for run in own]
    return Comparison(
        runs=list(runs),
        figures={key: METRICS.get(key, key.replace("_", " ")) for key in keys},
        headlines=[key for key in keys if key in headlines],
        rows=rows,
        defects=defects,
        tallies=_tallies(rows),
        notes=notes,
    )


def _figures(run: Run) -> dict[str, float | None]:
    """The mean of every fraction over the folds; None where one has none."""
    folds, mean = run.results["folds"], dict(run.results["mean"])
    for key in {key: None for fold in folds for key in fold} - mean.keys() - _COUNTERS:
        values = [fold.get(key) for fold in folds]
        mean[key] = None if None in values else values
    return {
        key: None if value is None else float(np.mean(value))
        for key, value in mean.items()
        if value is None or _fractions(value)
    }


def _fractions(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(
        isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x <= 1 for x in values
    )


def aligned(run: Run, first: Run) -> Run:
    """The run with its images in the order of the first one's, where they are the same."""
    a, b = first.tested, run.tested
    if a is None or b is None or a.images != b.images:
        return run
    place = {name: i for i, name in enumerate(b.names)}
    order = [place[name] for name in a.names]
    return run._replace(tested=Tested(a.names, a.labels, b.scores[:, order]))


def _unpaired(first: Run, run: Run) -> str:
    """Why two runs have no interval; empty where they have one."""
    if run.tested is None or first.tested is None:
        return run.note or f"{first.name} has no scores"
    if run.tested.names == first.tested.names and run.tested.labels == first.tested.labels:
        both = len({*run.tested.defective.tolist()}) == 2
        return "" if both else "not tested on good and defective images"
    ours, theirs = run.tested.images, first.tested.images
    return (
        f"tested on other images than {first.name} ({len(ours & theirs)} are the same, "
        f"{len(ours - theirs)} only here, {len(theirs - ours)} only there)"
    )


def _by_defect(fold: dict[str, Any]) -> dict[str, Any]:
    return fold.get("by_defect") or {}


def _row(first: Run, run: Run, defect: str) -> Row:
    """A run beside the first of its category, for one defect or for all."""
    count = None
    if run.tested:
        count = run.tested.labels.count(defect) if defect else len(run.tested.labels)
    figures = _defect_figures(run, defect) if defect else _figures(run)
    if run.name == first.name:
        return Row(run.category, run.name, "", defect, count, figures, None)
    difference = None
    if not _unpaired(first, run):
        a, b = (of.tested.only(defect) if defect else of.tested for of in (first, run))
        if a.defective.any():
            difference = paired_difference(a.scores, b.scores, a.defective)
    else:
        base = _defect_figures(first, defect) if defect else _figures(first)
        values = [given.get("image_auroc") for given in (base, figures)]
        if None not in values:
            difference = Difference(values[1] - values[0])
    return Row(run.category, run.name, first.name, defect, count, figures, difference)


def _defect_figures(run: Run, defect: str) -> dict[str, float | None]:
    """Image AUROC of a defect against the good images, mean over the folds."""
    if run.tested is not None:
        return {"image_auroc": _image_auroc(run.tested.only(defect))}
    tables = [_by_defect(fold).get(defect, {}) for fold in run.results["folds"]]
    values = [table.get("image_auroc") for table in tables]
    return {"image_auroc": None if None in values else float(np.mean(values))}


def _image_auroc(tested: Tested) -> float | None:
    """Mean over the folds; None without both kinds of images."""
    defective = tested.defective
    if len({*defective.tolist()}) < 2:
        return None
    return float(np.mean([auroc(fold, defective) for fold in tested.scores]))


def _doubt(run: Run) -> str:
    """That the scores are not those of results.json; empty where they may be."""
    told = _figures(run).get("image_auroc")
    own = None if run.tested is None else _image_auroc(run.tested)
    if told is None or own is None or abs(told - own) <= _ROUNDING:
        return ""
    return f"its scores give an image AUROC of {own:.2%}, its results.json {told:.2%}: run it again"


def _tallies(rows: Sequence[Row]) -> list[Tally]:
    verdicts = {}
    for row in rows:
        if row.difference and row.difference.verdict:
            verdicts.setdefault((row.run, row.base), []).append(row.difference.verdict)
    counted = {pair: Counter(given) for pair, given in verdicts.items() if len(given) > 1}
    return [Tally(*pair, n["win"], n["tie"], n["loss"]) for pair, n in counted.items()]
