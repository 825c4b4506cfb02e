"""Categories in unusual layouts, from the command line and in an experiment."""

import csv
import json

import miniatures
import pytest
from networks import FIELDS, FLAGS

from gaussft_jax import cli, data
from gaussft_jax.configuration import default_config
from gaussft_jax.experiment import train_and_evaluate

pytestmark = pytest.mark.usefixtures("small_network")


def _fit(category, model, *flags):
    command = ["fit", str(category), "--out", str(model), "--size", "32", "--method=gaussian"]
    return cli.main([*command, *FLAGS, "--calibrate=none", *flags])


def _rows(folder):
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        return {row["image"]: row["label"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("make", "fitted", "said"),
    [
        (miniatures.mvtec_loco, 5, "validation/good: 2 good images set apart"),
        (miniatures.kolektor, 8, "the good ones of every fifth kos folder"),
        (miniatures.pair, 5, "OK: every fifth image by name, 2 of 7, is for testing"),
    ],
)
def test_fit_and_evaluate_take_a_category_of_any_layout(tmp_path, capsys, make, fitted, said):
    folder = tmp_path / make(tmp_path)
    model = tmp_path / "model"
    assert _fit(folder, model, "--test", str(folder)) == 0
    printed = capsys.readouterr()
    assert f"detector of {fitted} images" in printed.out and said in printed.err
    expected = {test.name: test.label for test in data.read_labelled(folder).category.test}
    assert _rows(model / "evaluation") == expected
    again = tmp_path / "again"
    assert cli.main(["evaluate", str(model), str(folder), "--out", str(again)]) == 0
    assert said in capsys.readouterr().err
    first, second = (
        json.loads((x / "results.json").read_text("utf-8")) for x in (model / "evaluation", again)
    )
    assert first["mean"] == second["mean"] and second["category"] == folder.name
    assert (first["mean"]["aupro"] is None) == (make is miniatures.pair)


def test_what_is_not_known_is_shown_and_nothing_is_written(tmp_path, capsys):
    miniatures.images(tmp_path / "parts" / "fine", 3)
    for command in (
        ["fit", str(tmp_path / "parts"), "--out", str(tmp_path / "out")],
        ["fit", str(tmp_path / "parts" / "fine"), "--out", str(tmp_path / "out"), "--test", "no"],
    ):
        assert cli.main(command) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "parts is in no known layout: it holds fine/; wanted: train/good and" in first
    assert second.startswith("error: no is not a folder")
    assert not (tmp_path / "out").exists()


def test_where_two_layouts_would_do_a_folder_of_images_is_named(tmp_path, capsys):
    folder = tmp_path / miniatures.mvtec_loco(tmp_path)
    for label in ("good", "bad"):
        miniatures.images(folder / "test_public" / label, 2)
    assert _fit(folder, tmp_path / "model") == 1
    assert "mvtec_loco or mvtec_ad2" in (said := capsys.readouterr().err)
    assert "give a folder of images in it" in said
    train = folder / "train" / "good"
    assert _fit(train, tmp_path / "model") == 0


def test_a_category_is_not_written_into(tmp_path, capsys):
    folder = tmp_path / miniatures.kolektor2(tmp_path)
    before = sorted(folder.rglob("*"))
    for out in (folder / "test" / "model", folder / "train" / "model"):
        assert _fit(folder, out) == 1
        assert "lie in one another" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_an_experiment_by_the_name_of_the_layout(tmp_path, capsys):
    config = default_config()
    config.data.root, config.data.category = str(tmp_path), miniatures.mvtec_loco(tmp_path)
    config.update({"image_size": 32, "folds": (0,), "data": {"layout": "mvtec_loco"}, **FIELDS})
    results = train_and_evaluate(config, tmp_path / "run")
    assert {"logical_anomalies", "structural_anomalies"} == results["folds"][0]["by_defect"].keys()
    assert results["mean"]["aupro"] is not None
    assert "2 good images set apart" in capsys.readouterr().err
    config.data.layout = "btad"
    with pytest.raises(FileNotFoundError, match=r"box is in no known layout: .*\(btad\)$"):
        train_and_evaluate(config, tmp_path / "other")
    config.data.layout = "loco"
    with pytest.raises(ValueError, match=r"config\.data\.layout='loco'; choose from: auto, mvt"):
        train_and_evaluate(config, tmp_path / "other")
