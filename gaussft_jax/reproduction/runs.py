"""The runs that tables need: each once, resumed where they were stopped, failures kept for last."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gaussft_jax.backbones import LevelStore
from gaussft_jax.configuration import default_config, differences
from gaussft_jax.experiment import check_workdir, train_and_evaluate
from gaussft_jax.files import read_json, write_text
from gaussft_jax.reproduction.paper import TABLES

__all__ = ["Run", "finished", "plan", "reproduce"]


class Run(NamedTuple):
    """One row's configuration on one category.

    Attributes:
        name: of the configuration, the same for all categories; also its folder.
        category: name of the category.
        config: complete configuration.
    """

    name: str
    category: str
    config: ConfigDict

    def folder(self, out: Path) -> Path:
        """Where the run keeps its configuration, results and report."""
        return out / "runs" / self.name / self.category


def name_of(config: Mapping[str, Any]) -> str:
    """A short name for what differs from the default configuration, the same for equal ones."""
    full = default_config()
    full.update(config)
    changed = differences(default_config(), full)
    if not changed:
        return "frozen"
    parts = [field if full[field] is True else f"{field}={full[field]}" for field in changed]
    return ",".join(parts)


def plan(
    tables: Sequence[int], categories: Sequence[str], common: Mapping[str, Any]
) -> tuple[Run, ...]:
    """Every run that the tables' rows need, once: frozen networks first, by category.

    Args:
        tables: their numbers.
        categories: names of the categories.
        common: fields of all runs, `data.root`, backbone and folds for example.
    """
    configs = {
        name_of(row.config): row.config
        for number in tables
        for row in TABLES[number].rows
        if row.config is not None
    }
    runs = []
    for category in categories:
        for name, changes in configs.items():
            config = default_config()
            config.update_from_flattened_dict({**common, **changes, "data.category": category})
            runs.append(Run(name, category, config))
    # Tuned ones by row, so that the first tables are complete first.
    order = list(configs)
    return tuple(sorted(runs, key=lambda run: order.index(run.name) if run.config.tune else -1))


def reproduce(run: Run, out: Path, store: LevelStore | None = None) -> str | None:
    """Do the run, unless it is already done; what failed, or None.

    A run that was stopped goes on where it was. The traceback of a failure is kept as error.txt in
    the run's folder, and the next call tries again.

    Args:
        run: from `plan`.
        out: folder of all runs.
        store: for the levels of frozen networks, so that runs on one category share them.
    """
    folder = run.folder(out)
    done = folder / "results.json"
    if done.exists() and not differences(read_json(done)["config"], run.config.to_dict()):
        return None
    ours = False
    try:
        check_workdir(folder, run.config)
        ours = True
        train_and_evaluate(run.config, folder, store)
    except Exception as error:
        # Whatever one run met, the others are still worth running.
        if ours:
            write_text(folder / "error.txt", traceback.format_exc())
        return f"{run.name} on {run.category}: {type(error).__name__}: {error}"
    (folder / "error.txt").unlink(missing_ok=True)
    return None


def finished(runs: Sequence[Run], out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What results.json of each finished run says, by its name and category.

    Args:
        runs: from `plan`.
        out: folder of all runs.
    """
    found = {(run.name, run.category): run.folder(out) / "results.json" for run in runs}
    return {key: read_json(path) for key, path in found.items() if path.exists()}
