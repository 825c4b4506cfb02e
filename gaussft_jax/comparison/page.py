"""A comparison as one HTML file: its tables, and pictures of where the runs disagree."""

from pathlib import Path

from gaussft_jax.comparison.comparison import Comparison
from gaussft_jax.comparison.disagreements import disagreements
from gaussft_jax.comparison.tables import reading, tables
from gaussft_jax.data import GOOD
from gaussft_jax.report import SCRIPT, STYLE, csp_hash, template

__all__ = ["render_page"]


def render_page(compared: Comparison) -> str:
    """The page, which holds all that it shows.

    Args:
        compared: as from `compare`; the pictures are read from the folders of its runs.
    """
    script = SCRIPT.read_text("utf-8")
    return template(Path(__file__).with_name("page.html.j2")).render(
        categories=list(dict.fromkeys(run.category for run in compared.runs)),
        runs=list(dict.fromkeys(run.name for run in compared.runs)),
        reading=reading(compared),
        tables=tables(compared, list(compared.figures)),
        notes=compared.notes,
        pairs=disagreements(compared),
        good=GOOD,
        style=STYLE.read_text("utf-8"),
        script=script,
        script_hash=csp_hash(script),
    )
