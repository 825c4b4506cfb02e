"""The history of a run as JSON lines, one per epoch, for people and for the report."""

import json
import math
from pathlib import Path

import numpy as np

from gaussft_jax.files import write_text
from gaussft_jax.training.state import History, TrainState

__all__ = ["read_metrics", "write_metrics"]

_FILE = "metrics.jsonl"


def write_metrics(folder: Path, state: TrainState) -> None:
    """Write the history up to the state's epoch as metrics.jsonl in `folder`; null stands for NaN.

    All lines anew, so that they agree with the checkpoint also after a kill.
    """
    columns = {name: np.asarray(column) for name, column in state.history._asdict().items()}
    lines = []
    for epoch in range(int(state.epoch) + 1):
        values = {name: float(column[epoch]) for name, column in columns.items()}
        known = {name: None if math.isnan(x) else x for name, x in values.items()}
        lines.append(json.dumps({"epoch": epoch, **known}) + "\n")
    write_text(folder / _FILE, "".join(lines))


def read_metrics(folder: Path) -> History:
    """The history that `write_metrics` left in `folder`, float32 [epochs + 1] with row 0 first."""
    lines = (folder / _FILE).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    # What an earlier version did not measure is NaN.
    columns = ([row.get(name) for row in rows] for name in History._fields)
    return History(*(np.array(column, np.float32) for column in columns))
