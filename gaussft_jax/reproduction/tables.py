"""Results of many runs as the paper's tables: Markdown, CSV, JSON and one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaussft_jax.evaluation import mean_and_sem
from gaussft_jax.files import read_json, write_csv, write_json, write_text
from gaussft_jax.methods import METHODS
from gaussft_jax.report import template
from gaussft_jax.reproduction.paper import TABLES, Row, Table
from gaussft_jax.reproduction.runs import name_of

__all__ = ["write_tables"]


def write_tables(
    out: str | Path,
    numbers: Sequence[int],
    categories: Sequence[str],
    figures: Mapping[str, Path] | None = None,
) -> Path:
    """Write table1.md, .csv, .json and so on, and tables.html, from the runs under `out`.

    A figure is the mean over a run's folds, then mean and standard error over the categories. A row
    whose runs are not all there has no mean and says so; a quoted row never has one. `network` says
    what ran here, and what ran in the source where that is another one; `s a fold` how long a fold
    of those categories took on average that are there.

    Args:
        out: folder that `reproduce` was given.
        numbers: of the tables.
        categories: columns.
        figures: title and file, in `out`, of those to show below the tables.

    Returns:
        The HTML page.
    """
    out = Path(out)
    first = ["approach", "features", "network", "paper", "here"]
    columns, tables = [*first, *categories, "s a fold", "status"], []
    for number in dict.fromkeys(numbers):
        table = TABLES[number]
        records = [_record(row, table.metric, out, categories) for row in table.rows]
        rows = [_cells(record, categories) for record in records]
        tables.append((number, table, rows))
        write_text(out / f"table{number}.md", _markdown(number, table, columns, rows))
        write_csv(out / f"table{number}.csv", [columns, *rows])
        described = {"table": number, "title": table.title, "metric": table.metric}
        write_json(out / f"table{number}.json", {**described, "rows": records})
    page = template(Path(__file__).with_name("tables.html.j2")).render(
        columns=columns,
        tables=tables,
        figures={title: path.name for title, path in (figures or {}).items()},
    )
    write_text(out / "tables.html", page)
    return out / "tables.html"


def _record(row: Row, metric: str, out: Path, categories: Sequence[str]) -> dict[str, Any]:
    record = {
        "approach": row.approach,
        "features": row.features,
        "network": row.network,
        "seconds": None,
        "paper_mean": row.mean,
        "paper_sem": row.sem,
    }
    if row.config is None:
        return record | {"status": "quoted", "categories": {}, "mean": None, "sem": None}
    folder = out / "runs" / name_of(row.config)
    paths = {category: folder / category / "results.json" for category in categories}
    # None where a run is not finished.
    runs = {name: read_json(path) if path.exists() else None for name, path in paths.items()}
    values = {category: _percent(run, metric) for category, run in runs.items()}
    missing = sum(value is None for value in values.values())
    mean, sem = (None, None) if missing else mean_and_sem(list(values.values()))
    status = f"{missing} of {len(values)} categories missing" if missing else "measured"
    if missing == len(values):
        status = "not run"
    finished = [run for run in runs.values() if run]
    if finished:
        record["network"] = _network(row, finished[0])
        seconds = [fold["seconds"] for run in finished for fold in run["folds"]]
        record["seconds"] = sum(seconds) / len(seconds)
    return record | {"status": status, "categories": values, "mean": mean, "sem": sem}


def _percent(run: dict[str, Any] | None, metric: str) -> float | None:
    """The run's mean over its folds, percent; None where there is none."""
    value = run and run["mean"][metric]
    return None if value is None else 100 * value


def _network(row: Row, run: dict[str, Any]) -> str:
    """What ran here, and what ran there where it is another one."""
    own = METHODS[row.config.get("objective", run["method"])].pixels
    here = "a small one of its own" if own else run["backbone"]
    return here if here == row.network else f"{here}, there {row.network}"


def _cells(record: dict[str, Any], categories: Sequence[str]) -> list[str]:
    per_category = [_number(record["categories"].get(category)) for category in categories]
    paper = _with_error(record["paper_mean"], record["paper_sem"])
    here = _with_error(record["mean"], record["sem"])
    seconds = "" if record["seconds"] is None else f"{record['seconds']:.0f}"
    return [
        record["approach"], record["features"], record["network"], paper, here, *per_category,
        seconds, record["status"],
    ]  # fmt: skip


def _with_error(mean: float | None, sem: float | None) -> str:
    return _number(mean) if sem is None else f"{_number(mean)} ± {_number(sem)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _markdown(number: int, table: Table, columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return f"Table {number}. {table.title} ({table.metric}, percent)\n\n" + "".join(
        "| " + " | ".join(line) + " |\n" for line in lines
    )
