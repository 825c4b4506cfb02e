"""Experiments and evaluations side by side: figures, differences, and where they disagree."""

from gaussft_jax.comparison.bootstrap import Difference, paired_difference
from gaussft_jax.comparison.comparison import compare
from gaussft_jax.comparison.page import render_page
from gaussft_jax.comparison.runs import read_runs
from gaussft_jax.comparison.tables import console, csv_rows, markdown, tables

__all__ = [
    "Difference",
    "compare",
    "console",
    "csv_rows",
    "markdown",
    "paired_difference",
    "read_runs",
    "render_page",
    "tables",
]
