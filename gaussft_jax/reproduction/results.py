"""Every figure of every run in one file, and a page of tables made from it."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaussft_jax.evaluation import METRICS
from gaussft_jax.files import read_json, write_csv, write_text
from gaussft_jax.reproduction.runs import Run

__all__ = ["write_results"]

_RUN = ("run", "category", "backbone", "image_size", "folds", "seconds")


def write_results(out: str | Path, runs: Sequence[Run], command: str) -> Path:
    """Write results.csv, a line for each finished run, and results.md, which is made from it.

    The columns are what was run, seconds of all folds, and the figures by their names in
    results.json: means over the folds, fractions, empty where one is not defined.

    Args:
        out: folder that `reproduce` was given.
        runs: in the order of the lines.
        command: that makes both, for the page to name.

    Returns:
        The page.
    """
    out = Path(out)
    found = [(run, run.folder(out) / "results.json") for run in runs]
    records = [_record(run, read_json(path)) for run, path in found if path.exists()]
    columns = [*_RUN, *METRICS]
    rows = [[record.get(column, "") for column in columns] for record in records]
    write_csv(out / "results.csv", [columns, *rows])
    write_text(out / "results.md", _page(out / "results.csv", command))
    return out / "results.md"


def _record(run: Run, results: Mapping[str, Any]) -> dict[str, Any]:
    folds = results["folds"]
    described = {
        "run": run.name,
        "category": run.category,
        "backbone": results["backbone"],
        "image_size": results["image_size"],
        "folds": " ".join(str(fold["fold"]) for fold in folds),
        "seconds": round(sum(fold["seconds"] for fold in folds)),
    }
    for metric in METRICS:
        values = [fold.get(metric) for fold in folds]
        if None not in values:
            described[metric] = round(sum(values) / len(values), 6)
    return described


def _page(path: Path, command: str) -> str:
    """A table for each figure: runs down, categories across, percent."""
    with path.open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    runs, categories = (list(dict.fromkeys(record[key] for record in records)) for key in _RUN[:2])
    cells = {(record["run"], record["category"]): record for record in records}
    lines = [
        "# Every figure of every run",
        "",
        f"Made from results.csv by `{command}`. Percent, means over the folds; a run is named by "
        "what differs from the default configuration.",
    ]
    for metric, title in METRICS.items():
        if not any(record[metric] for record in records):
            continue
        lines += ["", f"## {title}", "", f"| run | {' | '.join(categories)} |"]
        lines.append("|---" * (1 + len(categories)) + "|")
        for run in runs:
            values = (cells.get((run, category), {}).get(metric) for category in categories)
            shown = (f"{100 * float(value):.1f}" if value else "" for value in values)
            lines.append(f"| `{run}` | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
