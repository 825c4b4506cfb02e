"""The paper's tables: planned, run, resumed and written."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import miniatures
import numpy as np
import pytest
from networks import FIELDS
from PIL import Image

from gaussft_jax import data
from gaussft_jax.evaluation import Scored
from gaussft_jax.reproduction import (
    TABLES,
    finished,
    plan,
    reproduce,
    write_figures,
    write_results,
    write_tables,
)
from gaussft_jax.reproduction.figures import representative

B4 = "efficientnet-b4"
pytestmark = pytest.mark.usefixtures("small_network")
SCRIPT = Path(__file__).parents[2] / "scripts" / "reproduce"


def _plan(parts, *tables, categories=("bolt",)):
    common = {"data.root": str(parts), "image_size": 64, "folds": (0,), "scoring_batch_size": 4}
    common |= FIELDS
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
        results = {"mean": {"image_auroc": value, "pixel_auroc": None}}
        results["folds"] = [{"seconds": 10 * value}, {"seconds": 20 * value}]
        results |= {"method": "gaussian", "backbone": "vit-s16" if name == "frozen" else B4}
        (folder / "results.json").write_text(json.dumps(results))
    page = write_tables(tmp_path, [1, 2, 5], ["bolt", "nut"])

    with (tmp_path / "table1.csv").open() as file:
        rows = {(row["approach"], row["features"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(TABLES[1].rows)
    assert rows["Gaussian fine-tune", "Frozen"]["here"] == "80.0 ± 10.0"
    assert rows["Gaussian fine-tune", "Frozen"]["paper"] == "96.3 ± 1.1"
    assert rows["Gaussian fine-tune", "Tuned"]["here"] == ""
    assert rows["Gaussian fine-tune", "Tuned"]["bolt"] == "80.0"
    assert rows["Gaussian fine-tune", "Tuned"]["status"] == "1 of 2 categories missing"
    assert rows["FCDD", "Tuned"]["status"] == "not run"
    assert rows["Gaussian fine-tune", "Frozen"]["network"] == f"vit-s16, there {B4}"
    assert rows["Gaussian fine-tune", "Tuned"]["network"] == B4
    assert rows["SPADE", "Frozen"]["network"] == "wide-resnet50-2"
    assert rows["SPADE", "Frozen"]["s a fold"] == ""
    assert rows["Gaussian fine-tune", "Frozen"]["s a fold"] == "12"
    assert "| FCDD as published | Tuned |" in (quoted := (tmp_path / "table5.md").read_text())
    assert quoted.count("| quoted |") == sum(row.config is None for row in TABLES[5].rows)

    (row,) = (
        row
        for row in json.loads((tmp_path / "table2.json").read_text())["rows"]
        if row["approach"] == "no training"
    )
    np.testing.assert_allclose([row["mean"], row["sem"]], [80, np.std([90, 70], ddof=1) / 2**0.5])
    cells = f"no training | Frozen | vit-s16, there {B4} | 96.3 ± 1.1 | 80.0 ± 10.0 | 90.0 | 70.0"
    assert f"| {cells} | 12 | measured |" in (tmp_path / "table2.md").read_text()
    assert "not run" in page.read_text()


def _script(*arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("make", miniatures.EXPECTED)
def test_a_category_of_any_layout_is_run(tmp_path, make):
    """As the script does it: found by its layout, run, its figures in results.csv."""
    category = Path(make(tmp_path))
    root, out = tmp_path / category.parent, tmp_path / "out"
    *_, masked = miniatures.EXPECTED[make]
    assert data.categories(root) == (category.name,)
    common = {"data.root": str(root), "image_size": 32, "folds": (0,), **FIELDS}
    runs = [run for run in plan([2], [category.name], common) if not run.config.tune]
    assert [reproduce(run, out) for run in runs] == [None]
    write_results(out, finished(runs, out), "", "")
    with (out / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["category"], "aupro" in row) == (category.name, masked)
    assert 0 <= float(row["image_auroc_low"]) <= float(row["image_auroc"]) <= 1
    assert ("auspro" in row) == (make is miniatures.mvtec_loco)


def test_the_script_takes_a_layout_by_name(tmp_path):
    miniatures.mvtec_loco(tmp_path / "data")
    for label in ("good", "bad"):
        miniatures.images(tmp_path / "data" / "box" / "test_public" / label, 2)
    options = ["--data", tmp_path / "data", "--out", tmp_path / "out", "--tables=2", "--plan"]
    doubted = _script(*options)
    assert doubted.returncode == 2 and "can be read as mvtec_loco or mvtec_ad2" in doubted.stderr
    assert "frozen\tbox\n" in _script(*options, "--layout=mvtec_loco").stdout


def test_every_figure_of_every_fold_is_in_one_file_and_on_one_page(tmp_path):
    def fold(number, auroc, missed):
        rate = {"alpha": 0.05, "good": 9, "false_alarms": 1, "defective": 4, "missed": missed}
        return {
            "fold": number, "image_auroc": auroc, "aupro": None, "aupimo": 0.25,
            "interval": {"image_auroc": [auroc - 0.25, 1.0], "aupro": None},
            "alpha": [rate | {"pixel_threshold": 3.0, "mask_f1": 0.5, "mask_iou": None}],
        }  # fmt: skip

    described = {"backbone": "efficientnet-lite0", "image_size": 64, "tuned": False}
    results = {
        ("frozen", "bolt"): {**described, "folds": [fold(0, 0.5, 1), fold(1, 0.75, 2)]},
        ("frozen", "nut"): {**described, "folds": [fold(0, 0.875, 0)]},
        ("other", "nut"): {**described, "folds": [{"fold": 0, "image_auroc": 1.0}]},
    }
    page = write_results(tmp_path, results, "scripts/reproduce --data there", "Named so.")

    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["category"], row["fold"]) for row in rows] == [
        ("frozen", "bolt", "0"), ("frozen", "bolt", "1"), ("frozen", "nut", "0"),
        ("other", "nut", "0"),
    ]  # fmt: skip
    assert [row["image_auroc"] for row in rows] == ["0.5", "0.75", "0.875", "1.0"]
    assert [row["image_auroc_low"] for row in rows] == ["0.25", "0.5", "0.625", ""]
    assert [row["missed_5"] for row in rows] == ["1", "2", "0", ""]
    assert [row["mask_f1_5"] for row in rows] == ["0.5", "0.5", "0.5", ""]
    assert {row["tuned"] for row in rows} == {"False"}
    assert "aupro" not in rows[0]  # it has none anywhere

    text = page.read_text()
    assert "`scripts/reproduce --data there`" in text and "Named so." in text
    assert "| `frozen` | 62.5 | 87.5 (62.5 to 100.0) |" in text
    assert "| `other` |  | 100.0 |" in text
    assert "| `frozen` | 5 % | 2 of 18, 3 of 8 | 1 of 9, 0 of 4 |" in text
    assert "## AUPIMO" in text and "## PRO" not in text
    assert "F1 and IoU" not in text  # there is no IoU


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
    done = _script("--data", parts, "--out", tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
