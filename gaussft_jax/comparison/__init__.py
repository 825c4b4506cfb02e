"""Experiments and evaluations side by side: figures, differences, and where they disagree."""

from gaussft_jax.comparison.bootstrap import Difference, paired_difference
from gaussft_jax.comparison.comparison import Comparison, Row, Tally, compare
from gaussft_jax.comparison.page import render_page
from gaussft_jax.comparison.runs import Run, Tested, read_runs
from gaussft_jax.comparison.tables import Table, console, csv_rows, markdown, tables

__all__ = [
    "Comparison",
    "Difference",
    "Row",
    "Run",
    "Table",
    "Tally",
    "Tested",
    "compare",
    "console",
    "csv_rows",
    "markdown",
    "paired_difference",
    "read_runs",
    "render_page",
    "tables",
]
