"""The commands as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gaussft_jax import cli

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    (tmp_path / "good parts").mkdir()
    for i in range(6):
        image = rng.integers(90, 150, (50, 70, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "good parts" / f"ü{i}.jpg")
    return tmp_path


def test_fit_and_predict_with_one_broken_image(folder, capsys):
    model, out = str(folder / "model"), folder / "out"
    assert cli.main(["fit", str(folder / "good parts"), "--out", model, "--size", "64"]) == 0
    broken = folder / "broken.png"
    broken.write_bytes((folder / "good parts" / "ü0.jpg").read_bytes()[:500])
    assert (
        cli.main(["predict", model, str(folder / "good parts"), str(broken), "--out", str(out)])
        == 1
    )
    lines = [
        json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(lines) == 7
    assert all(line["score"] > 0 and (out / line["heatmap"]).exists() for line in lines[:6])
    assert lines[6]["path"] == str(broken)
    assert "broken.png" in lines[6]["error"]
    assert "broken.png" in capsys.readouterr().err


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
