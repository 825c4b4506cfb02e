"""The commands as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from gaussft_jax import cli
from gaussft_jax.data import read_images

REPOSITORY = Path(__file__).parents[1]


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
    assert cli.main(["fit", str(folder / "good parts"), "--out", str(model), "--size", "64"]) == 0
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
    assert "Distances of level 8 in black/" in (out / "report.html").read_text("utf-8")
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


def test_doctor_finds_the_installed_weights(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["self_test"] == "passed"
    assert findings["weights"]["efficientnet-lite0"].endswith(".pth")
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


@pytest.mark.slow
def test_demo_finds_defects(tmp_path):
    assert cli.main(["demo", "--out", str(tmp_path / "demo")]) == 0
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert results["mean"]["image_auroc"] > 0.85
    assert results["tuned"]
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000
