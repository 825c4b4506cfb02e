"""A comparison as tables: of words for people, of numbers for programs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gaussft_jax.comparison.comparison import Comparison, Row
from gaussft_jax.comparison.runs import Run

__all__ = ["Table", "console", "csv_rows", "markdown", "tables"]


class Table(NamedTuple):
    """Cells as they are shown.

    Attributes:
        title: what it shows.
        columns: their heads.
        rows: cells.
        words: how many columns, from the left, are words and not numbers.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    words: int


def tables(compared: Comparison, keys: Sequence[str]) -> list[Table]:
    """What is compared, the figures, the defects and the tallies; those that are empty left out.

    Args:
        compared: as from `compare`.
        keys: the figures to show.
    """
    titles = [compared.figures[key] for key in keys]
    several = len({row.category for row in compared.rows}) > 1
    heads, words = (["Category", "Run"], 2) if several else (["Run"], 1)

    def named(row: Row) -> list[str]:
        return [row.category, row.run] if several else [row.run]

    figures = [
        [*named(row), *(_percent(row.figures.get(key)) for key in keys), *_versus(row)]
        for row in [*compared.rows, *_means(compared, keys)]
    ]
    defects = [
        [
            *named(row)[:-1],
            row.defect,
            row.run,
            "-" if row.images is None else str(row.images),
            _percent(row.figures["image_auroc"]),
            *_versus(row),
        ]
        for row in compared.defects
    ]
    tallies = [[f"{t.run} against {t.base}", *map(str, t[2:])] for t in compared.tallies]
    versus = ["Difference to the first", ""]
    made = [
        Table("What is compared", ["Run", "Set-up", "Folds"], _described(compared.runs), 3),
        Table("Figures", [*heads, *titles, *versus], figures, words),
        Table(
            "Image AUROC by defect",
            [*heads[:-1], "Defect", "Run", "Images", "Image AUROC", *versus],
            defects,
            words + 1,
        ),
        Table("Over the categories", ["", "Wins", "Ties", "Losses"], tallies, 1),
    ]
    return [table for table in made if table.rows]


def console(compared: Comparison, given: Sequence[Table]) -> str:
    """Tables as aligned text."""
    parts = []
    for table in given:
        lines = [table.columns, *table.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        parts.append(
            f"{table.title}\n" + "\n".join(_aligned(x, widths, table.words) for x in lines)
        )
    return "\n\n".join([*parts, "\n".join([reading(compared), *compared.notes])])


def markdown(compared: Comparison, given: Sequence[Table]) -> str:
    """Tables as Markdown, under a heading."""
    parts = [f"# Comparison of {len(compared.runs)} runs", reading(compared)]
    for table in given:
        rule = ["---"] * table.words + ["---:"] * (len(table.columns) - table.words)
        lines = [[_escaped(cell) for cell in line] for line in (table.columns, *table.rows)]
        lines.insert(1, rule)
        parts.append(f"## {table.title}")
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    parts.append("\n".join(f"- {_escaped(note)}" for note in compared.notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def csv_rows(compared: Comparison) -> list[list[Any]]:
    """A head and a row for each run of each category, then for each defect; fractions."""
    keys = list(compared.figures)
    facts = ["method", "backbone", "image_size", "tuned"]
    versus = ["compared_with", "image_auroc_difference", "low", "high", "verdict"]
    results = {(run.category, run.name): run.results for run in compared.runs}
    rows = []
    for row in [*compared.rows, *compared.defects]:
        d = row.difference
        rows.append(
            [
                *(row.category, row.run, row.defect),
                *(results[row.category, row.run].get(fact) for fact in facts),
                row.images,
                *(row.figures.get(key) for key in keys),
                row.base,
                *((d.value, d.low, d.high, d.verdict) if d else (None, None, None, "")),
            ]
        )
    return [["category", "run", "defect", *facts, "images", *keys, *versus], *rows]


def reading(compared: Comparison) -> str:
    """How the tables are to be read, a paragraph."""
    text = "Figures in percent."
    if any(row.difference for row in compared.rows):
        text += (
            " Differences are of the image AUROC, to the first run of the category, in percentage "
            "points, with a 95 % interval from a paired bootstrap over the test images; a tie is "
            "an interval with 0 in it."
        )
    return text


def _described(runs: Sequence[Run]) -> list[list[str]]:
    """For each run its set-up, or set-ups where it has several over the categories."""
    rows = []
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        folds = sorted({len(run.results["folds"]) for run in own})
        set_ups = dict.fromkeys(_set_up(run.results) for run in own)
        rows.append([name, "; ".join(set_ups), ", ".join(map(str, folds))])
    return rows


def _set_up(results: dict[str, Any]) -> str:
    facts = [results.get(key) for key in ("method", "gaussian", "aggregation", "backbone")]
    if size := results.get("image_size"):
        facts.append(f"{size} px")
    facts.append("fine-tuned" if results.get("tuned") else "frozen")
    return ", ".join(str(fact) for fact in facts if fact)


def _means(compared: Comparison, keys: Sequence[str]) -> list[Row]:
    """Of each run over the categories that all have; none where that is one or none."""
    by_run = {}
    for row in compared.rows:
        by_run.setdefault(row.run, {})[row.category] = row.figures
    shared = set.intersection(*map(set, by_run.values()))
    if len(shared) < 2:
        return []
    rows = []
    for run, figures in by_run.items():
        values = {key: [figures[category].get(key) for category in shared] for key in keys}
        mean = {key: None if None in v else float(np.mean(v)) for key, v in values.items()}
        rows.append(Row(f"mean of {len(shared)}", run, "", "", None, mean, None))
    return rows


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _versus(row: Row) -> list[str]:
    """Difference with its interval, and the verdict."""
    d = row.difference
    if d is None:
        return ["", ""]
    value, *ends = (f"{100 * x:+z.2f}" for x in d if x is not None)
    return [f"{value} [{', '.join(ends)}]" if ends else value, d.verdict]


def _aligned(cells: Sequence[str], widths: Sequence[int], words: int) -> str:
    return "  ".join(
        cell.ljust(width) if i < words else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _escaped(cell: str) -> str:
    return cell.translate({ord(sign): f"\\{sign}" for sign in "\\|*_<`["} | {ord("\n"): " "})
