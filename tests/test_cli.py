"""The commands as a user types them."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import stop_learning
from networks import FLAGS, SMALL
from PIL import Image
from skimage import measure, transform

from gaussft_jax import cli, configuration, data
from gaussft_jax.backbones import NETWORKS, create
from gaussft_jax.commands import demo
from gaussft_jax.data import read_images
from gaussft_jax.detector import Detector
from gaussft_jax.detector import folder as saving
from gaussft_jax.training import GUARDED

REPOSITORY = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    (tmp_path / "good parts").mkdir()
    for i in range(6):
        image = rng.integers(90, 150, (50, 70, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "good parts" / f"ü{i}.jpg")
    return tmp_path


@pytest.fixture
def model(folder, capsys):
    model = folder / "model"
    command = ["fit", str(folder / "good parts"), "--out", str(model), "--size", "64"]
    assert cli.main([*command, *FLAGS, "--method=gaussian"]) == 0
    assert (
        "calibrated on 6 held-out images: false-alarm rates from 14.29% up"
        in capsys.readouterr().out
    )
    return model


def _lines(out):
    return [
        json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()
    ]


def test_predict_with_one_broken_image(folder, model, capsys):
    out, broken, spoilt = folder / "out", folder / "broken.png", folder / "spoilt.png"
    broken.write_bytes((folder / "good parts" / "ü0.jpg").read_bytes()[:500])
    Image.new("RGB", (70, 50)).save(spoilt)
    given = [str(path) for path in (folder / "good parts", broken, spoilt)]
    assert cli.main(["predict", str(model), *given, "--out", str(out)]) == 1
    lines = _lines(out)
    assert len(lines) == 8
    assert all(
        line["score"] > 0 and (out / line["heatmap"]).exists() for line in lines if "score" in line
    )
    assert lines[6].keys() == {"path", "error"}
    assert "broken.png" in lines[6]["error"]
    assert lines[7]["decision"] == "defective"
    assert lines[7]["p_value"] == 1 / 7
    with Image.open(out / lines[7]["mask"]) as mask:
        assert np.asarray(mask).any()
    printed = capsys.readouterr()
    assert "broken.png" in printed.err
    assert "7 of 8 images judged" in printed.out
    assert "1 defective at a false-alarm rate of 14.29%" in printed.out


def test_predictions_are_as_large_as_the_photographs(folder, model):
    """Oblong ones of two sizes: pictures, distances, and regions, which skimage finds as well."""
    out = folder / "out"
    for name, size in (("wide.png", (140, 90)), ("tall.webp", (40, 90))):
        image = np.random.default_rng(3).integers(90, 150, (*size[::-1], 3)).astype(np.uint8)
        image[10:30, 5:25] = 255
        Image.fromarray(image).save(folder / name, lossless=True)
    command = ["predict", str(model), str(folder / "wide.png"), str(folder / "tall.webp"), "--out"]
    assert cli.main([*command, str(out), "--alpha", "0.9", "--maps", "npy"]) == 0
    assert cli.main([*command, str(folder / "tiff"), "--alpha", "0.9", "--maps", "tiff"]) == 0
    detector = Detector.load(model)
    for line, tiff, (width, height) in zip(
        _lines(out), _lines(folder / "tiff"), ((140, 90), (40, 90)), strict=True
    ):
        assert line["decision"] == "defective"
        distances = np.load(out / line["map"])
        assert distances.dtype == np.float32 and distances.shape == (height, width)
        with Image.open(folder / "tiff" / tiff["map"]) as image:
            np.testing.assert_array_equal(np.asarray(image), distances)
        given = folder / Path(line["path"]).name
        predicted = detector.predict(read_images([given], 64))
        assert distances.max() <= predicted.maps.max() * (1 + 1e-6)
        expected = transform.resize(
            predicted.maps[0], (height, width), order=1, mode="edge", anti_aliasing=False
        )
        if min(width, height) >= 64:  # Pillow smooths where it shrinks
            np.testing.assert_allclose(distances, expected, rtol=1e-3)
        with Image.open(out / line["heatmap"]) as image:
            assert image.size == (width, height)
        with Image.open(out / line["mask"]) as image:
            mask = np.asarray(image)
        np.testing.assert_array_equal(mask, distances > detector.pixel_threshold(0.9))
        regions = measure.regionprops(measure.label(mask, connectivity=2), distances)
        found = {
            (tuple(region["box"]), region["area"], region["peak"]) for region in line["regions"]
        }
        assert found == {
            ((r.bbox[1], r.bbox[0], r.bbox[3], r.bbox[2]), int(r.area), float(r.intensity_max))
            for r in regions
        }
        peaks = [region["peak"] for region in line["regions"]]
        assert peaks == sorted(peaks, reverse=True) and peaks[0] == distances.max()


def test_what_is_left_out_is_said(folder, model, capsys):
    """Other files are counted, folders are looked into where that is asked for."""
    inner = folder / "good parts" / "more" / "and more"
    inner.mkdir(parents=True)
    (inner / "1.png").write_bytes((folder / "good parts" / "ü0.jpg").read_bytes())
    for name in ("notes.txt", "list.txt", "a.gif", "README"):
        (folder / "good parts" / name).write_text("no image")
    command = ["predict", str(model), str(folder / "good parts"), "--out", str(folder / "out")]
    assert cli.main(command) == 0
    assert len(_lines(folder / "out")) == 6
    said = capsys.readouterr().err
    assert "4 files skipped: 2 .txt, 1 " in said and "1 .gif" in said
    assert "1 folder not looked into: use --recursive" in said
    assert cli.main([*command, "--recursive"]) == 0
    assert len(_lines(folder / "out")) == 7
    assert "folder" not in capsys.readouterr().err.partition(": ")[2]


def test_an_unusual_image_without_an_unusual_place_says_so(folder, model, monkeypatch):
    """Its score is unusual, no pixel is: the mask is empty, and a note says why."""
    monkeypatch.setattr(Detector, "pixel_threshold", lambda *_: 1e9)
    spoilt = folder / "spoilt.png"
    Image.new("RGB", (70, 50)).save(spoilt)
    assert cli.main(["predict", str(model), str(spoilt), "--out", str(folder / "out")]) == 0
    (line,) = _lines(folder / "out")
    assert line["decision"] == "defective" and line["regions"] == []
    assert "no pixel is above the threshold" in line["note"]


def test_the_exit_status_tells_of_defects(folder, model, capsys):
    spoilt = folder / "spoilt.png"
    Image.new("RGB", (70, 50)).save(spoilt)
    command = ["predict", str(model), str(spoilt), "--out", str(folder / "out")]
    assert cli.main(command) == 0
    assert cli.main([*command, "--fail-on-defect"]) == 3
    assert cli.main([*command, "--alpha", "0.01"]) == 1
    assert "needs 99 good images held out, there are 6" in capsys.readouterr().err


def test_evaluate_export_info(folder, model, capsys):
    for label, colour in (("good", None), ("black", 0)):
        (folder / "test" / label).mkdir(parents=True)
        for path in sorted((folder / "good parts").iterdir())[:3]:
            with Image.open(path) as image:
                # A little brighter: the calibration images themselves would tie with their scores.
                drawn = image.point(lambda x, colour=colour: x + 3 if colour is None else colour)
                drawn.save(folder / "test" / label / f"{path.stem}.png")
    out = folder / "evaluation"
    assert cli.main(["evaluate", str(model), str(folder / "test"), "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["gaussian"] == "tied"
    assert results["versions"]["jax"] == jax.__version__
    assert results["mean"] == {"image_auroc": 1.0, "pixel_auroc": None, "aupro": None}
    # The smallest rate that six images can tell is above these.
    assert [row["missed"] for row in results["alpha"]] == [3, 3, 3]
    assert "Distances of level 4 in black/" in (out / "report.html").read_text("utf-8")
    assert "image_auroc  100.00%" in capsys.readouterr().out
    assert cli.main(["report", str(out)]) == 1
    assert "holds no experiment" in capsys.readouterr().err

    assert cli.main(["info", str(model), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["models"], described["held_out"], described["image_size"]) == (5, 6, 64)

    program = folder / "program.bin"
    assert cli.main(["export", str(model), "--out", str(program), "--platforms=cpu"]) == 0
    code = f"""
import json, sys
import jax, numpy
program = jax.export.deserialize(open({str(program)!r}, "rb").read())
images = numpy.load({str(folder / "images.npy")!r})
scores, maps, p_values = program.call(images)
print(json.dumps([scores.tolist(), p_values.tolist()]))
assert not any(name.startswith("gaussft") for name in sys.modules)
"""
    paths = sorted((folder / "test" / "good").iterdir())
    np.save(folder / "images.npy", read_images(paths, 64))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    scores, p_values = json.loads(done.stdout)
    given = [str(path) for path in paths]
    assert cli.main(["predict", str(model), *given, "--out", str(folder / "out")]) == 0
    lines = _lines(folder / "out")
    np.testing.assert_allclose(scores, [line["score"] for line in lines], rtol=1e-5)
    np.testing.assert_allclose(p_values, [line["p_value"] for line in lines])


def _everything(folder):
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "model" not in path.parts
    }


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("good parts", "no detector.json"),
        (".", "no detector.json"),
        ("notes", "no detector.json"),
        ("nest", "no detector.json"),
        ("good parts/model", "lie in one another"),
        ("link", "is a link"),
        ("file.txt", "is a file"),
        ("file.txt/model", "is a file"),
    ],
)
@pytest.mark.parametrize("tune", [[], ["--tune"]])
def test_fit_replaces_nothing_but_a_detector(folder, capsys, monkeypatch, out, reason, tune):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(data, "read_images", lambda *_, **__: pytest.fail("the work was begun"))
    (folder / "notes").mkdir()
    (folder / "notes" / "notes.txt").write_text("mine")
    (folder / "file.txt").write_text("mine")
    (folder / "link").symlink_to(folder / "good parts")
    (folder / "nest").mkdir()
    (folder / "nest" / "parts").symlink_to(folder / "good parts")
    before = _everything(folder)
    assert cli.main(["fit", "good parts", "--out", out, *tune]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert _everything(folder) == before


def test_fit_replaces_a_detector_and_nothing_beside_it(folder, model, capsys):
    command = ["fit", str(folder / "good parts"), "--out", str(model), "--size", "64", *FLAGS]
    (model / "evaluation").mkdir()
    (model / "evaluation" / "results.json").write_text("{}")
    assert cli.main([*command, "--method=gaussian", "--gaussian=global"]) == 0
    assert (model / "evaluation" / "results.json").read_text() == "{}"
    assert cli.main(["info", str(model)]) == 0
    assert "'global'" in capsys.readouterr().out
    # Stopped in the middle, it leaves that one as it is.
    before = {path: path.read_bytes() for path in model.rglob("*.*")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "write_json", _stop)
        assert cli.main([*command, "--method=gaussian"]) == 130
    assert {path: path.read_bytes() for path in model.rglob("*.*")} == before
    assert sorted(path.name for path in folder.iterdir()) == ["good parts", "model"]


def test_an_evaluation_does_not_outlive_its_detector(folder, model):
    evaluation = model / "evaluation"
    evaluation.mkdir()
    (evaluation / "notes.txt").write_text("mine")
    (evaluation / "results.json").write_text('{"alpha": []}')
    (evaluation / "scores.csv").write_text("of the earlier one")
    command = ["fit", str(folder / "good parts"), "--out", str(model), "--size", "64", *FLAGS]
    assert cli.main([*command, "--method=gaussian", "--gaussian=global"]) == 0
    assert [path.name for path in evaluation.iterdir()] == ["notes.txt"]


def _stop(*_):
    raise KeyboardInterrupt


def test_fit_at_the_size_of_the_network(folder, monkeypatch, capsys):
    monkeypatch.setattr(data, "read_images", lambda _, size, **__: pytest.fail(f"{size} px"))
    command = ["fit", str(folder / "good parts"), "--out", str(folder / "model")]
    for backbone in ("efficientnet-lite0", "efficientnet-b4"):
        with pytest.raises(pytest.fail.Exception, match=f"^{create(backbone).image_size} px"):
            cli.main([*command, "--size", "0", "--backbone", backbone])
    for size in ("-1", "31"):
        with pytest.raises(SystemExit):
            cli.main([*command, f"--size={size}"])
        assert f"{size} pixels are too few: give 32 or more" in capsys.readouterr().err


def test_fit_tunes_and_removes_its_checkpoints_alone(folder, monkeypatch):
    good, model, tuning = folder / "good parts", folder / "model", folder / "model.tuning"
    for path in sorted(good.iterdir())[:4]:  # ten images in all
        (good / f"again {path.name}").write_bytes(path.read_bytes())
    recipe = GUARDED._replace(max_epochs=1, batch_size=4, draws_per_image=1)
    fit = Detector.fit

    def short(*given, **chosen):
        return fit(*given, **{**chosen, "recipe": recipe})

    monkeypatch.setattr(Detector, "fit", staticmethod(short))
    (tuning / "photographs").mkdir(parents=True)
    (tuning / "photographs" / "0.png").write_text("mine")
    command = ["fit", str(good), "--out", str(model), "--size", "64", "--tune", *FLAGS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "write_json", _stop)
        assert cli.main(command) == 130
    assert not model.exists()
    (digest,) = {path.name for path in tuning.iterdir()} - {"photographs"}
    saved = (tuning / digest / "metrics.jsonl").read_bytes()
    assert cli.main(command) == 0
    assert len(saved.splitlines()) == 2
    assert Detector.load(model).tuned
    assert [path.name for path in tuning.rglob("*")] == ["photographs", "0.png"]


def test_what_a_member_learns_goes_on_where_it_was_stopped(folder, monkeypatch):
    good, model, left = folder / "good parts", folder / "model", folder / "model.tuning"
    command = [
        "fit", str(good), "--out", str(model), "--size", "64", "--calibrate", "none", *FLAGS,
        "--method", "ensemble", "--ensemble-members", "padim,differnet",
        "--differnet-epochs", "3", "--differnet-blocks", "1",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        epochs = stop_learning(patch, 2)
        assert cli.main(command) == 130
        assert epochs == [1, 2]
        (file,) = left.iterdir()
        epochs[:] = [0]
        assert cli.main(command) == 130
        assert epochs == [0, 3]
    (left / f".{file.name}.{'0' * 32}.part").write_text("cut off")
    assert cli.main(command) == 0
    assert Detector.load(model).method.learns
    assert not left.exists()


@pytest.mark.parametrize("out", ["good parts", "good parts/out", ".", "model", "link"])
def test_predict_writes_no_picture_among_the_images(folder, model, capsys, monkeypatch, out):
    monkeypatch.chdir(folder)
    (folder / "link").mkdir()
    (folder / "link" / "heatmaps").symlink_to(folder / "good parts")
    before = _everything(folder)
    assert cli.main(["predict", "model", "good parts", "--out", out]) == 1
    error = capsys.readouterr().err
    assert "lie in one another" in error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert _everything(folder) == before
    assert len(list(model.iterdir())) == 2


def test_predict_again_on_its_own_pictures_and_long_names(folder, model):
    long = folder / ("x" * 250 + ".jpg")
    long.write_bytes((folder / "good parts" / "ü0.jpg").read_bytes())
    command = ["predict", str(model), "--out", str(folder / "out")]
    assert cli.main([*command, str(long)]) == 0
    picture = folder / "out" / _lines(folder / "out")[0]["heatmap"]
    before = picture.read_bytes()
    assert cli.main([*command, str(picture)]) == 1
    assert picture.read_bytes() == before
    assert len(list(picture.parent.iterdir())) == 1


def test_evaluate_and_export_write_over_nothing_else(folder, model, capsys):
    test = folder / "test"
    for label in ("good", "black"):
        (test / label).mkdir(parents=True)
        Image.new("RGB", (70, 50)).save(test / label / "0.png")
    for run, name in (("run", "results.json"), ("mine", "scores.csv")):
        (folder / run).mkdir()
        (folder / run / name).write_text('{"config": {"data": 1}}')
    before = _everything(folder)
    for out, reason in (
        (test, "lie in one another"),
        (test / "evaluation", "lie in one another"),
        (folder / "run", "of something else"),
        (folder / "mine", "of something else"),
        (test / "good" / "0.png", "is a file"),
    ):
        assert cli.main(["evaluate", str(model), str(test), "--out", str(out)]) == 1
        assert reason in capsys.readouterr().err
    for out, reason in (
        (model, "is a folder"), (model / "arrays.safetensors", "lie in one another"),
        (test / "good" / "0.png" / "program", "is a file"),
    ):  # fmt: skip
        assert cli.main(["export", str(model), "--out", str(out)]) == 1
        assert reason in capsys.readouterr().err
    assert _everything(folder) == before


def test_a_path_that_is_not_there_leaves_earlier_predictions(folder, model, capsys):
    command = ["predict", str(model), "--out", str(folder / "out")]
    assert cli.main([*command, str(folder / "good parts")]) == 0
    before = _everything(folder / "out")
    assert cli.main([*command, str(folder / "good prats")]) == 1
    assert "good prats: check the path" in capsys.readouterr().err
    assert _everything(folder / "out") == before


def test_without_calibration_it_says_so(folder, capsys):
    command = ["fit", str(folder / "good parts"), "--out", str(folder / "model"), "--size", "64"]
    assert cli.main([*command, *FLAGS, "--method=deep_svdd", "--calibrate=none"]) == 0
    assert "not calibrated: no p-values" in capsys.readouterr().out
    good = str(folder / "good parts")
    assert cli.main(["predict", str(folder / "model"), good, "--out", str(folder / "out")]) == 0
    assert "no decisions: the detector is not calibrated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "reason"),
    [("--budget=0", "buys nothing"), ("--size=large", "no whole number"), ("--method=p", "padim")],
)
def test_a_wrong_option_is_told_in_few_lines(folder, capsys, option, reason):
    with pytest.raises(SystemExit):
        cli.main(["fit", str(folder / "good parts"), "--out", str(folder / "model"), option])
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") <= 3


def test_version_and_an_early_ctrl_c(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"gaussft {version('gaussft_jax')}\n"
    monkeypatch.setattr(demo, "arguments", _stop)
    assert cli.main(["demo"]) == 130


def test_demo_touches_no_folder_of_something_else(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert "holds something else" in capsys.readouterr().err
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "report.html").write_text("mine")
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert "report.html of something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_doctor_finds_the_installed_weights(capsys, monkeypatch):
    monkeypatch.delitem(NETWORKS, SMALL[0])  # which has none
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["self_test"] == "passed"
    assert findings["networks"]["efficientnet-lite0"].endswith(".pth")
    assert findings["devices"]


def test_errors_are_one_line(folder, capsys):
    assert cli.main(["fit", str(folder / "nowhere"), "--out", str(folder / "model")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert cli.main(["predict", str(folder), str(folder), "--out", str(folder / "out")]) == 1
    assert "gaussft fit" in capsys.readouterr().err


def _main(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "gaussft_jax.main", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_main_says_what_is_wrong(tmp_path):
    config = f"--config={REPOSITORY}/configs/frozen.py"
    run = _main(config + ":screw", f"--workdir={tmp_path}", f"--config.data.root={tmp_path}")
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "screw" in run.stderr
    run = _main(config, f"--workdir={tmp_path}", "--config.colour=red")
    assert run.returncode != 0
    assert "colour" in run.stderr
    run = _main(config, f"--workdir={tmp_path}", "--config.data.rot=parts")
    assert run.returncode == 1
    assert run.stderr.startswith("error: the configuration has no field rot")
    assert "Did you mean" in run.stderr and run.stderr.count("\n") == 1
    run = _main("--config=configs/frosen.py:pill", f"--workdir={tmp_path}")
    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and "frosen.py" in run.stderr


def test_demo_finds_defects(tmp_path, monkeypatch):
    small = configuration.default_config()
    small.image_size, small.vicinity, small.draws_per_image = 128, "cutout", 1
    monkeypatch.setattr(configuration, "default_config", lambda: small)
    monkeypatch.setattr(demo, "EPOCHS", 1)
    assert cli.main(["demo", "--out", str(tmp_path / "demo")]) == 0
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert results["mean"]["image_auroc"] > 0.85
    assert results["tuned"]
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000
