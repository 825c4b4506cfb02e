"""The paper's tables and figures: rows as data, the runs they need, and what they make."""

from gaussft_jax.reproduction.figures import vicinity_figure, write_figures
from gaussft_jax.reproduction.paper import TABLES
from gaussft_jax.reproduction.results import results_page, write_results
from gaussft_jax.reproduction.runs import finished, plan, reproduce
from gaussft_jax.reproduction.tables import write_tables

__all__ = [
    "TABLES",
    "finished",
    "plan",
    "reproduce",
    "results_page",
    "vicinity_figure",
    "write_figures",
    "write_results",
    "write_tables",
]
