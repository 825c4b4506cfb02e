"""Every figure of every run in one file, and a page of tables made from it."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gaussft_jax.evaluation import METRICS
from gaussft_jax.files import write_csv, write_text

__all__ = ["results_page", "write_results"]

_RUN = ("run", "category")
_DESCRIBED = ("method", "backbone", "image_size", "tuned")
_FOLD = ("fold", "epochs", "best_epoch", "seconds")
_COUNTED = ("false_alarms", "missed")
_FIT = ("mask_f1", "mask_iou")

Record = Mapping[str, Any]


def write_results(
    out: str | Path,
    results: Mapping[tuple[str, str], Mapping[str, Any]],
    command: str,
    named: str,
) -> Path:
    """Write results.csv, a line for each fold of each run, and results.md, which is made from it.

    An evaluation is a run of one fold. The columns, empty where something is not known:

    - `run`, `category`; `method`, `backbone`, `image_size` (pixels), `tuned` (True or False);
    - `fold`, `epochs`, `best_epoch`, `seconds`;
    - the figures by their names in results.json (`evaluation.METRICS`), fractions, and
      `FIGURE_low` and `FIGURE_high`, the ends of their 95 % intervals;
    - `good` and `defective`, how many images of each were judged;
    - for each false-alarm rate, by its percent, `false_alarms_5` and `missed_5`, images, and
      `mask_f1_5` and `mask_iou_5`, fractions.

    Args:
        out: folder for both.
        results: what results.json says, by the names of run and category, in the order wanted.
        command: that made the runs, for the page to name.
        named: how a run got its name, a sentence for the page.

    Returns:
        The page.
    """
    out = Path(out)
    records = [
        {"run": run, "category": category, **record}
        for (run, category), found in results.items()
        for record in _folds(found)
    ]
    known = {key for record in records for key in record}
    rates = sorted({rate for key in known if (rate := _rate(key)) is not None})
    columns = [*_RUN, *_DESCRIBED, *_FOLD, *METRICS]
    columns += [f"{metric}_{end}" for metric in METRICS for end in ("low", "high")]
    columns += ["good", "defective"]
    columns += [f"{name}_{rate:g}" for rate in rates for name in (*_COUNTED, *_FIT)]
    always = {*_RUN, *_DESCRIBED, *_FOLD, "good", "defective"}
    columns = [column for column in columns if column in known | always]
    rows = [[record.get(column, "") for column in columns] for record in records]
    write_csv(out / "results.csv", [columns, *rows])
    write_text(out / "results.md", results_page(out / "results.csv", command, named))
    return out / "results.md"


def results_page(path: str | Path, command: str, named: str) -> str:
    """A page of tables in Markdown, a run a line, a category a column.

    Args:
        path: results.csv.
        command: as of `write_results`.
        named: likewise.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    columns = records[0].keys() if records else ()
    rates = sorted({rate for column in columns if (rate := _rate(column)) is not None})
    single = len({(record["run"], record["category"]) for record in records}) == len(records)
    over = "in brackets 95 % intervals over other test images" if single else "means over the folds"
    lines = [
        "# Every figure of every run",
        "",
        f"Made from [results.csv](results.csv), which `{command}` leaves. Percent, {over}. {named}",
    ]
    for metric, title in METRICS.items():
        if metric in columns:
            lines += _table(title, records, [("", partial(_mean, metric))])
    if rates:
        counted = [(f"{rate:g} %", partial(_counts, rate)) for rate in rates]
        lines += _table("False alarms and missed defects at a false-alarm rate", records, counted)
        fits = [(f"{rate:g} %", partial(_fits, rate)) for rate in rates]
        lines += _table("F1 and IoU of the mask at a false-alarm rate", records, fits)
    return "\n".join(lines) + "\n"


def _folds(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A record for each fold; what is None is left out."""
    for fold in results["folds"]:
        record = {key: results.get(key) for key in _DESCRIBED}
        record |= {key: fold.get(key) for key in (*_FOLD, *METRICS)}
        for metric, ends in (fold.get("interval") or {}).items():
            low, high = ends or (None, None)
            record |= {f"{metric}_low": low, f"{metric}_high": high}
        for row in fold.get("alpha") or ():
            record |= {"good": row["good"], "defective": row["defective"]}
            for name in (*_COUNTED, *_FIT):
                record[f"{name}_{100 * row['alpha']:g}"] = row.get(name)
        yield {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in record.items()
            if value is not None
        }


def _rate(column: str) -> float | None:
    """The false-alarm rate of a column, percent; None where it has none."""
    name, _, rate = column.rpartition("_")
    return float(rate) if name in (*_COUNTED, *_FIT) else None


def _table(
    title: str,
    records: Sequence[Record],
    parts: Sequence[tuple[str, Callable[[list[Record]], str]]],
) -> list[str]:
    """Lines of a table, a cell for each category: runs in their parts; none where all are empty."""
    runs, categories = (list(dict.fromkeys(record[key] for record in records)) for key in _RUN)
    found = {(run, category): [] for run in runs for category in categories}
    for record in records:
        found[record["run"], record["category"]].append(record)
    rows = []
    for run in runs:
        for part, cell in parts:
            own = [found[run, category] for category in categories]
            cells = [cell(folds) if folds else "" for folds in own]
            if any(cells):
                rows.append([f"`{run}`", *([part] if part else []), *cells])
    if not rows:
        return []
    heads = ["run", *(["rate"] if parts[0][0] else []), *categories]
    lines = [heads, ["---"] * len(heads), *rows]
    return ["", f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)]


def _mean(metric: str, found: list[Record]) -> str:
    """`97.1`, or `97.1 (95.0 to 98.8)` where there is one fold with an interval."""
    mean = _percent(found, metric)
    low, high = (_percent(found, f"{metric}_{end}") for end in ("low", "high"))
    return f"{mean} ({low} to {high})" if len(found) == 1 and low else mean


def _counts(rate: float, found: list[Record]) -> str:
    """`1 of 26, 23 of 141`; of several folds their sums."""
    keys = [f"{name}_{rate:g}" for name in _COUNTED]
    if not all(record.get(key) for record in found for key in keys):
        return ""
    alarms, missed, good, bad = (
        sum(int(record[key]) for record in found) for key in (*keys, "good", "defective")
    )
    return f"{alarms} of {good}, {missed} of {bad}"


def _fits(rate: float, found: list[Record]) -> str:
    """`61.2, 44.1`."""
    shown = [_percent(found, f"{name}_{rate:g}") for name in _FIT]
    return ", ".join(shown) if all(shown) else ""


def _percent(found: list[Record], column: str) -> str:
    """The mean over the folds; empty where one has none."""
    values = [record.get(column) for record in found]
    if not all(values):
        return ""
    return f"{100 * sum(map(float, values)) / len(values):.1f}"
