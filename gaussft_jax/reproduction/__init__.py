"""The paper's tables: their rows as data, the runs they need, and the tables they make."""

from gaussft_jax.reproduction.paper import TABLES, Row, Table
from gaussft_jax.reproduction.runs import Run, plan, reproduce
from gaussft_jax.reproduction.tables import write_tables

__all__ = ["TABLES", "Row", "Run", "Table", "plan", "reproduce", "write_tables"]
