"""The paper's tables: planned, run, resumed and written."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import miniatures
import numpy as np
import pytest
from PIL import Image

from gaussft_jax.evaluation import Scored
from gaussft_jax.reproduction import (
    TABLES,
    plan,
    reproduce,
    write_figures,
    write_results,
    write_tables,
)
from gaussft_jax.reproduction.figures import representative

SCRIPT = Path(__file__).parents[2] / "scripts" / "reproduce"


def _plan(parts, *tables, categories=("bolt",)):
    common = {"data.root": str(parts), "image_size": 64, "folds": (0,), "scoring_batch_size": 4}
    return plan(tables, categories, common)


def test_equal_rows_are_planned_once(parts):
    runs = _plan(parts, 1, 2, 3, 4, 5, 6, categories=("bolt", "nut"))
    assert len({(run.name, run.category) for run in runs}) == len(runs)
    # Tables 1, 2, 3, 4, 5 and 6 all report the tuned Gaussian.
    assert [run.category for run in runs if run.name == "tune"] == ["bolt", "nut"]
    rows = [row.config for table in TABLES.values() for row in table.rows if row.config]
    assert len(runs) == 2 * len({json.dumps({"vicinity": "all", "gaussian": "tied",
        "aggregation": "max", "stopping": "vicinity", "objective": "gaussian", "severity": 3.0,
        **row}, sort_keys=True) for row in rows})  # fmt: skip
    tuned = [run.config.tune for run in runs]
    assert tuned == sorted(tuned)


def test_a_finished_run_is_not_repeated_and_a_failure_does_not_stop_the_others(parts, tmp_path):
    frozen = next(run for run in _plan(parts, 2) if run.name == "frozen")
    assert reproduce(frozen, tmp_path) is None
    results = frozen.folder(tmp_path) / "results.json"
    before = results.stat().st_mtime_ns
    assert reproduce(frozen, tmp_path) is None
    assert results.stat().st_mtime_ns == before

    missing = next(run for run in _plan(parts, 2, categories=("gear",)) if run.name == "frozen")
    assert "frozen on gear: FileNotFoundError: " in reproduce(missing, tmp_path)
    assert "Traceback" in (missing.folder(tmp_path) / "error.txt").read_text()


def test_a_run_leaves_a_folder_of_something_else_as_it_is(parts, tmp_path):
    frozen = next(run for run in _plan(parts, 2) if run.name == "frozen")
    folder = frozen.folder(tmp_path)
    folder.mkdir(parents=True)
    for name in ("report.html", "error.txt"):
        (folder / name).write_text("mine")
    assert "report.html of something else" in reproduce(frozen, tmp_path)
    assert {path.read_text() for path in folder.iterdir()} == {"mine"}


def test_tables_hold_mean_and_error_and_say_what_is_missing(tmp_path):
    figures = {("frozen", "bolt"): 0.9, ("frozen", "nut"): 0.7, ("tune", "bolt"): 0.8}
    for (name, category), value in figures.items():
        folder = tmp_path / "runs" / name / category
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"mean": {"image_auroc": value}}))
    page = write_tables(tmp_path, [1, 2], ["bolt", "nut"])

    with (tmp_path / "table1.csv").open() as file:
        rows = {(row["approach"], row["features"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(TABLES[1].rows)
    assert rows["Gaussian fine-tune", "Frozen"]["here"] == "80.0 ± 10.0"
    assert rows["Gaussian fine-tune", "Frozen"]["paper"] == "96.3 ± 1.1"
    assert rows["Gaussian fine-tune", "Tuned"]["here"] == ""
    assert rows["Gaussian fine-tune", "Tuned"]["bolt"] == "80.0"
    assert rows["Gaussian fine-tune", "Tuned"]["status"] == "1 of 2 categories missing"
    assert rows["FCDD", "Tuned"]["status"] == "not run"
    assert rows["CutPaste", "Tuned"]["status"] == "quoted"

    (row,) = (
        row
        for row in json.loads((tmp_path / "table2.json").read_text())["rows"]
        if row["approach"] == "no training"
    )
    np.testing.assert_allclose([row["mean"], row["sem"]], [80, np.std([90, 70], ddof=1) / 2**0.5])
    assert "| no training | Frozen | 96.3 ± 1.1 | 80.0 ± 10.0 | 90.0 | 70.0 | measured |" in (
        (tmp_path / "table2.md").read_text()
    )
    assert "not run" in page.read_text()


def test_categories_of_any_layout_are_planned(tmp_path):
    names = {miniatures.mvtec_loco(tmp_path), miniatures.pair(tmp_path)}
    command = [sys.executable, SCRIPT, "--data", tmp_path, "--out", tmp_path / "out"]
    options = ["--tables", "1", "--frozen", "--plan"]
    listed = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    runs = [line.split("\t") for line in listed.stdout.splitlines()]
    assert {category for _, category in runs} == names
    assert {name for name, _ in runs} == {
        "frozen", *(f"objective={name}" for name in ("deep_svdd", "gaussian_ad", "padim", "spade"))
    }  # fmt: skip


def test_every_figure_of_every_run_is_in_one_file_and_on_one_page(parts, tmp_path):
    runs = _plan(parts, 2, categories=("bolt", "nut"))
    for i, run in enumerate(runs[:2]):
        folds = [
            {"fold": fold, "seconds": 1.6, "image_auroc": value, "aupro": None, "aupimo": 0.25}
            for fold, value in enumerate((0.5 + i / 4, 0.75 + i / 4))
        ]
        run.folder(tmp_path).mkdir(parents=True)
        results = {"backbone": "efficientnet-lite0", "image_size": 64, "folds": folds}
        (run.folder(tmp_path) / "results.json").write_text(json.dumps(results))
    page = write_results(tmp_path, runs, "scripts/reproduce --data there").read_text()

    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["category"]) for row in rows] == [run[:2] for run in runs[:2]]
    assert [row["image_auroc"] for row in rows] == ["0.625", "0.875"]
    assert {(row["aupro"], row["folds"], row["seconds"]) for row in rows} == {("", "0 1", "3")}
    shown = {category: "" for _, category, _ in runs[:2]}
    assert len(shown) == 2
    assert "| `frozen` | 62.5 | 87.5 |" in page
    assert "## AUPIMO" in page
    assert "## PRO" not in page
    assert "`scripts/reproduce --data there`" in page


def test_figures_show_what_the_run_left(parts, tmp_path):
    for category in ("bolt", "nut"):
        run = next(r for r in _plan(parts, 2, categories=(category,)) if r.name == "frozen")
        assert reproduce(run, tmp_path) is None
    figures = write_figures(tmp_path, parts, ("bolt", "nut", "gear"))
    # The nut has no masks.
    assert [path.name for path in figures.values()] == [
        "figure2.png", "figure3-bolt.png", "scores-bolt.svg", "pro-bolt.svg",
    ]  # fmt: skip
    with Image.open(tmp_path / "figure3-bolt.png") as image:
        assert len(np.unique(np.asarray(image).reshape(-1, 4), axis=0)) > 100
    page = write_tables(tmp_path, [2], ("bolt", "nut"), figures).read_text()
    assert all(f'src="{path.name}"' in page for path in figures.values())


def test_successes_are_found_best_and_failures_missed():
    labels = ("good", "cut", "cut", "dent", "dent", "hole")
    scored = Scored(labels, labels, np.array([9, 5, 8, 1, 2, 7.0]), None, None)
    assert representative(scored).tolist() == [2, 5, 4, 3, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tables", "7"), "there is no table 7"),
        (("--categories", "screw"), "no category 'screw'; it has: bolt, nut"),
        (("--set", "learning_rat=1"), "is not FIELD=VALUE of a known field"),
    ],
)
def test_a_mistake_is_named(parts, tmp_path, arguments, message):
    command = [sys.executable, SCRIPT, "--data", parts, "--out", tmp_path, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
