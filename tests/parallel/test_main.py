"""An experiment from the command line: two processes give the figures of one."""

import functools
import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from processes import Run

from gaussft_jax.evaluation import read_scored

pytestmark = pytest.mark.distributed
CONFIG = Path(__file__).parents[1] / "small_config.py"
FLAGS = ("--coordinator", "--processes", "--process_id")


def _run(root, folder, processes):
    """The results of a run, its scores, and what each process printed."""
    command = [
        sys.executable, "-m", "gaussft_jax.main", f"--config={CONFIG}:bolt",
        f"--workdir={folder / 'run'}", f"--config.data.root={root}",
        "--config.folds=(0,)",
    ]  # fmt: skip

    def of_process(others):
        joined = zip(FLAGS, others, strict=True) if others else ()
        return [*command, *(part for pair in joined for part in pair)]

    run = Run(folder, of_process, processes)
    run.finish()
    results = json.loads((folder / "run" / "results.json").read_text("utf-8"))
    scored = read_scored(folder / "run" / "fold0", None)
    return results, scored, [log.read_text() for log in run.logs]


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(parts, tmp_path):
    one, scored_by_one, _ = _run(parts, tmp_path / "one", 1)
    two, scored_by_two, (first, second) = _run(parts, tmp_path / "two", 2)
    for result in (one, two):
        del result["folds"][0]["seconds"]
    assert two["config"] == one["config"]
    for part in ("folds", "mean"):
        close = functools.partial(np.testing.assert_allclose, rtol=1e-4, err_msg=part)
        jax.tree.map(close, two[part], one[part])
    np.testing.assert_allclose(scored_by_two.scores, scored_by_one.scores, rtol=1e-5)
    np.testing.assert_allclose(scored_by_two.maps, scored_by_one.maps, rtol=1e-4)
    # Only the first process tells how far it is.
    for bar in ("read training images", "fit", "judge"):
        assert f"{bar}: " in first
        assert f"{bar}: " not in second
    assert "bolt" not in second
