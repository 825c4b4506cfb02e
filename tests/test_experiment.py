"""Whole runs: on a folder made by the test, and on real photographs."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from networks import FIELDS, LEVELS

from configs import mvtec_guarded
from gaussft_jax import experiment, learning
from gaussft_jax.configuration import default_config
from gaussft_jax.data import read_category, read_images, read_masks
from gaussft_jax.evaluation import aupro, auroc, read_level_maps, read_scored
from gaussft_jax.experiment import report_again, train_and_evaluate
from gaussft_jax.gaussian import anomaly_map
from gaussft_jax.vicinity import vicinity

pytestmark = pytest.mark.usefixtures("small_network")
LITE0 = {"backbone": "efficientnet-lite0", "weights": ""}


def _config(root, category="bolt", **fields):
    config = default_config()
    config.data.root, config.data.category = str(root), category
    small = {"image_size": 64, "scoring_batch_size": 4, "folds": (0, 1), **FIELDS}
    config.update({**small, **fields})
    return config


def test_a_run_leaves_results_report_and_overlays(parts, tmp_path):
    results = train_and_evaluate(_config(parts, **LITE0), tmp_path)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert (results["schema"], results["category"], results["tuned"]) == (1, "bolt", False)
    assert [fold["fold"] for fold in results["folds"]] == [0, 1]
    for metric in ("image_auroc", "pixel_auroc", "aupro"):
        values = [fold[metric] for fold in results["folds"]]
        assert all(0 <= value <= 1 for value in values)
        np.testing.assert_allclose(results["mean"][metric], np.mean(values))
    assert results["mean"]["image_auroc"] == 1.0
    assert results["mean"]["pixel_auroc"] > 0.95
    assert results["config"]["data"]["category"] == "bolt"
    assert len(list((tmp_path / "overlays").rglob("*.png"))) == 6
    HTMLParser().feed((tmp_path / "report.html").read_text())
    # The levels that the report shows make up the map beside them.
    scored, levels = read_scored(tmp_path / "fold0", None), read_level_maps(tmp_path / "fold0")
    assert levels.keys() == set(range(6))
    for i, maps in levels.items():
        together = anomaly_map(tuple(level[None] for level in maps), 64)[0]
        np.testing.assert_allclose(together, scored.maps[i], rtol=1e-5)


def test_finished_folds_are_not_run_again(parts, tmp_path):
    first = train_and_evaluate(_config(parts, folds=(1,)), tmp_path)
    both = train_and_evaluate(_config(parts, folds=(1, 3)), tmp_path)
    assert both["folds"][0] == first["folds"][0]
    assert [fold["fold"] for fold in both["folds"]] == [1, 3]


def test_a_data_set_of_tfds_gives_the_figures_of_its_folder(parts, tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets", reason="pip install 'gaussft_jax[tfds]'")
    from gaussft_jax.data.tfds_builder import MvtecLayout

    MvtecLayout(parts, "bolt", tmp_path).download_and_prepare()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    folder = train_and_evaluate(_config(parts, folds=(0,)), tmp_path / "folder")
    dataset = train_and_evaluate(_config("tfds:mvtec_layout", folds=(0,)), tmp_path / "dataset")
    assert dataset["mean"] == folder["mean"]
    for name in ("scores.csv", "maps.npy"):
        first, second = (tmp_path / run / "fold0" / name for run in ("folder", "dataset"))
        assert first.read_bytes() == second.read_bytes()


def test_the_report_is_made_again(parts, tmp_path):
    train_and_evaluate(_config(parts, folds=(1,)), tmp_path)
    files = (tmp_path / "report.html", next((tmp_path / "overlays").rglob("*.png")))
    before = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    report_again(tmp_path)
    assert [path.read_bytes() for path in files] == before
    with pytest.raises(FileNotFoundError, match="finish the experiment first"):
        report_again(tmp_path / "nowhere")


def test_a_workdir_of_another_configuration_is_refused(parts, tmp_path):
    train_and_evaluate(_config(parts, folds=(0,)), tmp_path)
    before = (tmp_path / "results.json").read_text()
    with pytest.raises(ValueError, match=r"aggregation: 'max' -> 'mean'"):
        train_and_evaluate(_config(parts, folds=(0,), aggregation="mean"), tmp_path)
    assert (tmp_path / "results.json").read_text() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "[1]"),
        ("config.json", '{"backbone": "resnet50"}'),
        ("report.html", "mine"),
        ("results.json", '{"vicinity": "all"}'),
    ],
)
def test_a_workdir_of_something_else_is_refused(parts, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match="of something else, which would be lost"):
        train_and_evaluate(_config(parts, folds=(0,)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_a_workdir_around_the_photographs_and_notes_is_fine_but_no_file(parts, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "photographs").symlink_to(parts)
    experiment.check_workdir(folder, _config(folder / "photographs"))
    experiment.check_workdir(tmp_path / "new" / "run", _config(parts))
    with pytest.raises(NotADirectoryError, match=r"notes\.txt is a file"):
        train_and_evaluate(_config(parts, folds=(0,)), folder / "notes.txt" / "run")
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "photographs"]


def test_a_run_writes_nothing_among_its_photographs(parts, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in parts.rglob("*")}
    (tmp_path / "config.json").write_text('{"vicinity": "all"}')
    (tmp_path / "overlays").symlink_to(parts / "bolt" / "test")
    for workdir in (parts / "bolt", parts / "bolt" / "test", tmp_path):
        with pytest.raises(ValueError, match="lie in one another"):
            train_and_evaluate(_config(parts, folds=(0,)), workdir)
    assert {path: path.stat().st_mtime_ns for path in parts.rglob("*")} == before


def test_a_workdir_from_before_a_field_existed_goes_on(parts, tmp_path):
    before = train_and_evaluate(_config(parts, folds=(0,)), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["dtype"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    record = json.loads((tmp_path / "fold0" / "result.json").read_text())
    del record["alpha"], before["folds"][0]["alpha"]
    (tmp_path / "fold0" / "result.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="dtype: 'float32' -> 'bfloat16'"):
        train_and_evaluate(_config(parts, folds=(0,), dtype="bfloat16"), tmp_path)
    assert train_and_evaluate(_config(parts, folds=(0,)), tmp_path)["folds"] == before["folds"]


def test_what_changes_no_result_may_change(parts, tmp_path):
    before = train_and_evaluate(_config(parts, folds=(0,), scoring_batch_size=3), tmp_path)
    after = train_and_evaluate(_config(parts, folds=(0,), scoring_batch_size=0), tmp_path)
    assert after["folds"] == before["folds"]


def test_a_run_that_found_no_data_claims_no_workdir(parts, tmp_path):
    with pytest.raises(FileNotFoundError, match="no category 'screw'"):
        train_and_evaluate(_config(parts, "screw", folds=(0,)), tmp_path)
    assert train_and_evaluate(_config(parts, folds=(0,)), tmp_path)["category"] == "bolt"


def test_a_later_fold_can_be_shown_alone(parts, tmp_path):
    both = train_and_evaluate(_config(parts, folds=(0, 1)), tmp_path)
    alone = train_and_evaluate(_config(parts, folds=(1,)), tmp_path)
    assert alone["folds"][0]["image_auroc"] == both["folds"][1]["image_auroc"]
    assert alone["folds"][0]["pixel_auroc"] == both["folds"][1]["pixel_auroc"]


def test_without_masks_pixel_metrics_are_null_with_a_reason(parts, tmp_path):
    results = train_and_evaluate(_config(parts, "nut", folds=(0,), **LITE0), tmp_path)
    assert results["mean"]["pixel_auroc"] is None
    assert results["mean"]["aupro"] is None
    assert results["mean"]["image_auroc"] == 1.0
    assert "masks" in results["notes"]["pixel_auroc"]


def test_a_tuned_run(parts, tmp_path):
    config = mvtec_guarded.get_config("bolt")
    config.data.root = str(parts)
    small = {"image_size": 64, "scoring_batch_size": 4, "batch_size": 4, "folds": (2,)}
    config.update({"max_epochs": 2, "patience": 2, **small, **FIELDS})
    (fold,) = train_and_evaluate(config, tmp_path)["folds"]
    assert fold["epochs"] == 2
    assert 0 <= fold["best_epoch"] <= 2
    assert 0 <= fold["vicinity_auroc"] <= 1
    assert len(fold["level_weights"]) == LEVELS
    assert len((tmp_path / "fold2" / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(("exposure", "expected"), [("", "augmix"), ("cutout", "cutout")])
def test_what_is_trained_on_can_differ_from_what_is_validated_by(
    parts, tmp_path, monkeypatch, exposure, expected
):
    class Stop(Exception):
        pass

    def tuner(backbone, objective, augment, recipe, parallelism, exposure):
        raise Stop(augment, exposure)

    monkeypatch.setattr(experiment, "Tuner", tuner)
    config = _config(parts, tune=True, objective="fcdd", vicinity="augmix", exposure=exposure)
    with pytest.raises(Stop) as stop:
        train_and_evaluate(config, tmp_path)
    assert stop.value.args == (vicinity("augmix", 3.0), vicinity(expected, 3.0))


def test_what_a_fold_learns_is_kept_in_its_folder(parts, tmp_path, monkeypatch):
    def stop(file, arrays):
        raise KeyboardInterrupt(file.parent)

    monkeypatch.setattr(learning, "save_arrays", stop)
    config = _config(parts, folds=(1,), objective="differnet", differnet_blocks=1)
    with pytest.raises(KeyboardInterrupt) as stopped:
        train_and_evaluate(config, tmp_path)
    assert stopped.value.args == (tmp_path / "fold1",)


def test_brightness_does_not_find_the_dents(parts):
    category = read_category(parts, "bolt")
    test = read_images([image.path for image in category.test], 64)
    dented = np.array([image.label == "dent" for image in category.test])
    values = np.sort(test.reshape(6, -1))
    np.testing.assert_array_equal(values[dented], values[~dented])
    # A Gaussian for each pixel.
    train = read_images(category.train, 64).mean(-1)
    distance = np.float32(np.abs(test.mean(-1) - train.mean(0)) / train.std(0))
    for scores in (distance.max((1, 2)), distance.mean((1, 2))):
        assert auroc(scores, dented) < 0.75
    masks = read_masks(category.test, 64)
    assert auroc(distance, masks) < 0.6 and aupro(distance, masks) < 0.3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("backbone", "resnet", r"config.backbone='resnet'; choose from: efficientnet-b0"),
        ("aggregation", "sum", "config.aggregation='sum'; choose from: max, mean"),
        ("folds", (5,), r"config.folds=\(5,\); choose from 0, 1, 2, 3, 4"),
        ("batch_size", 0, "config.batch_size=0 is too small"),
        ("augmented", 1.0, "config.augmented=1.0"),
        ("exposure", "noise", r"config.exposure='noise'; choose from: '' \(empty\), augmix"),
    ],
)
def test_a_wrong_value_is_refused(parts, tmp_path, field, value, message):
    with pytest.raises(ValueError, match=message):
        train_and_evaluate(_config(parts, **{field: value}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_field_is_refused(parts, tmp_path):
    config = _config(parts).unlock()
    config.colour = "red"
    with pytest.raises(ValueError, match=r"unknown fields \['colour'\]"):
        train_and_evaluate(config, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("category", "image", "pixel", "pro"),
    [("magnetic_tile", 0.8423, 0.8436, 0.6724), ("pill", 0.8928, 0.9701, 0.9102)],
)
def test_real_photographs_give_the_reference_figures(
    real_data, tmp_path, category, image, pixel, pro
):
    """Fold 0 of an independent implementation in PyTorch and NumPy float64."""
    config = _config(
        real_data, category, folds=(0,), image_size=224, scoring_batch_size=16, **LITE0
    )
    (fold,) = train_and_evaluate(config, tmp_path)["folds"]
    assert abs(fold["image_auroc"] - image) < 0.005
    assert abs(fold["pixel_auroc"] - pixel) < 0.005
    assert abs(fold["aupro"] - pro) < 0.005
    if category == "magnetic_tile":
        expected = [2.6e-6, 5.5e-6, 4.1e-5, 2.6e-4, 1.3e-3, 1.7e-3, 8.2e-3, 4.8e-3, 9.8e-3]
        np.testing.assert_allclose(fold["shrinkage"], expected, rtol=0.02)
