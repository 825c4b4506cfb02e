"""The scripts write over nothing that they read, and over nothing of others."""

import sys
from contextlib import nullcontext
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import SimpleNamespace

import numpy as np
import parity
import pytest
from conftest import REPOSITORY
from matplotlib.figure import Figure
from PIL import Image

from gaussft_jax.data import read_category, read_images, read_masks


def load(name):
    if (place := str(REPOSITORY / "scripts")) not in sys.path:  # as for a script that runs
        sys.path.append(place)
    loader = SourceFileLoader(name, str(REPOSITORY / "scripts" / name))
    module = module_from_spec(spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def begun(*_, **__):
    pytest.fail("the work was begun")


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A category, weights and notes; the current folder."""
    for name in (
        "parts/nut/train/good/0.png", "parts/nut/test/good/0.png", "parts/nut/notes.txt",
        "notes/notes.txt", "weights/weights.json", "weights/weights.safetensors",
        "table/table1.md", "curve/pro-nut.svg", "study/study.png", "checked/report.md",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to(tmp_path / "parts" / "nut")
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMPARE = ("compare_methods", "measured", "parts/nut", "--out")
COVERAGE = ("check_coverage", "read_category", "parts/nut", "--out")
CONVERT = ("convert", "load_weights", "weights/weights.safetensors", "--name", "efficientnet-b0",
           "--out")  # fmt: skip
REPRODUCE = ("reproduce", "reproduce", "--data", "parts", "--tables", "2", "--out")
LEFT_OUT = ("leave_one_out", "aurocs", "parts/nut", "parts", "--out")
STUDY = ("study_stopping", "load_backbone", "parts/nut", "--out")
TURN = ("turn_parts", "turn", "parts/nut", "--out")
VICINITY = ("show_vicinity", "read_image", "parts/nut/test/good/0.png", "--out")


@pytest.mark.parametrize(
    ("command", "out", "reason"),
    [
        (("benchmark", "_machine", "--json"), "notes", "is a folder"),
        (("benchmark", "_machine", "--json"), "notes/notes.txt/a.json", "is a file"),
        (("check_accelerator", "Report", "--out"), "checked", "report.md of something else"),
        (("check_accelerator", "Report", "--out"), "notes/notes.txt", "is a file"),
        (COMPARE, "parts", "lie in one another"),
        (COMPARE, "notes/notes.txt", "is a file"),
        (COVERAGE, "parts/nut/test/good/0.png", "lie in one another"),
        (COVERAGE, "link/coverage.png", "lie in one another"),
        (COVERAGE, "notes", "is a folder"),
        (CONVERT, "weights", "lie in one another"),
        (CONVERT, "weights/weights.safetensors", "is a file"),
        (CONVERT, "notes", "no weights.json"),
        (("measure_cost", "Figure", "--out"), "notes", "is a folder"),
        (REPRODUCE, "parts", "lie in one another"),
        (REPRODUCE, "parts/nut/test", "lie in one another"),
        (REPRODUCE, "table", "table1.md of something else"),
        (REPRODUCE, "curve", "pro-nut.svg of something else"),
        (REPRODUCE, "notes/notes.txt", "is a file"),
        (LEFT_OUT, "parts/nut/table.md", "lie in one another"),
        (LEFT_OUT, "notes", "is a folder"),
        (STUDY, "parts/nut/study", "lie in one another"),
        (STUDY, "link", "lie in one another"),
        (STUDY, "study", "study.png of something else"),
        (TURN, "parts/nut/turned", "lie in one another"),
        (TURN, "notes", "no turned.json"),
        (VICINITY, "parts/nut/test/good/0.png", "lie in one another"),
        (VICINITY, "link/test/good/0.png", "lie in one another"),
        (VICINITY, "notes", "is a folder"),
    ],
)
def test_what_would_be_lost_is_refused_first(folder, monkeypatch, capsys, command, out, reason):
    name, work, *arguments = command
    script = load(name)
    monkeypatch.setattr(script, work, begun)
    monkeypatch.setattr(sys, "argv", [name, *arguments, out])
    before = contents(folder)
    with pytest.raises(SystemExit) as stop:
        script.main()
    assert stop.value.code
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and reason in last
    assert contents(folder) == before


@pytest.mark.parametrize("command", [("leave_one_out", "parts/nut"), ("measure_local",)])
def test_a_category_that_is_not_there_is_named_first(folder, monkeypatch, capsys, command):
    script = load(command[0])
    monkeypatch.setattr(sys, "argv", [*command, "parts/bolt"])
    with pytest.raises(SystemExit, match="1"):
        script.main()
    assert "error: parts has no category 'bolt'; it has nut" in capsys.readouterr().err


def test_a_study_of_no_category_claims_no_folder(folder, monkeypatch, capsys):
    script = load("study_stopping")
    monkeypatch.setattr(sys, "argv", ["study_stopping", "parts/bolt", "--out", "notes"])
    with pytest.raises(SystemExit):
        script.main()
    assert "bolt" in capsys.readouterr().err
    assert [path.name for path in (folder / "notes").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("data_dir", ["parts/nut", "parts/bolt", "notes/notes.txt"])
@pytest.mark.parametrize("by", ["option", "environment"])
def test_data_sets_lie_apart_from_the_categories(folder, monkeypatch, capsys, data_dir, by):
    tfds = pytest.importorskip("tensorflow_datasets", reason="pip install 'gaussft_jax[tfds]'")
    from gaussft_jax.data.tfds_builder import MvtecLayout

    (folder / "parts" / "bolt").symlink_to(folder / "parts" / "nut")
    monkeypatch.setattr(MvtecLayout, "download_and_prepare", begun)
    arguments = ["parts", "nut"]
    if by == "option":
        arguments += ["--data-dir", data_dir]
    else:
        monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder / data_dir))
    monkeypatch.setattr(sys, "argv", ["prepare_tfds", *arguments])
    before = contents(folder)
    with pytest.raises(SystemExit) as stop:
        load("prepare_tfds").main()
    assert stop.value.code
    last = capsys.readouterr().err.splitlines()[-1]
    assert "lie in one another" in last or "notes.txt is a file" in last
    assert contents(folder) == before


def test_turned_parts_keep_their_masks(parts, tmp_path, monkeypatch):
    """The mask of the copy lies on the defect of the copy, and every image has its own angle."""
    monkeypatch.setattr(sys, "argv", ["turn_parts", str(parts / "bolt"), "--out", str(tmp_path)])
    load("turn_parts").main()
    original, copy = (
        read_category(folder.parent, folder.name) for folder in (parts / "bolt", tmp_path)
    )
    assert [test.name for test in copy.test] == [test.name for test in original.test]
    assert len(copy.train) == len(original.train)
    dented = [i for i, test in enumerate(original.test) if test.defective]
    areas = read_masks(copy.test, 64)[dented].sum((1, 2))
    np.testing.assert_allclose(areas, 400, rtol=0.1)
    # Stripes run across the image: turned back by the angle of its mask's square they do again.
    images, turned = (
        read_images([category.test[i].path for i in dented], 64) for category in (original, copy)
    )
    angles = np.random.default_rng(0).uniform(0, 360, 15 + len(original.test))[15:][dented]
    inner = np.s_[20:44, 20:44]
    for image, of_copy, angle in zip(images, turned, angles, strict=True):
        back = np.asarray(Image.fromarray(of_copy).rotate(-angle, Image.Resampling.BICUBIC))
        assert np.corrcoef(back[inner].ravel(), image[inner].ravel())[0, 1] > 0.8
        assert abs(np.corrcoef(of_copy[inner].ravel(), image[inner].ravel())[0, 1]) < 0.7


def test_methods_are_compared_and_rows_are_kept(parts, tmp_path, monkeypatch, capsys):
    script = load("compare_methods")
    flags = ["--methods", "gaussian_ad --size 64", "--out", str(tmp_path / "table")]
    monkeypatch.setattr(sys, "argv", ["compare_methods", str(parts / "bolt"), *flags])
    script.main()
    table = capsys.readouterr().out
    assert table == (tmp_path / "table" / "methods.md").read_text("utf-8") + "\n"
    (row,) = (line.split(" | ") for line in table.splitlines() if "gaussian_ad" in line)
    page = (tmp_path / "table" / "results.md").read_text("utf-8")
    assert f"| `gaussian_ad --size 64` | {row[1]} (" in page
    assert "`scripts/compare_methods bolt --methods 'gaussian_ad --size 64' --out OUT`" in page
    assert len(row) == 8 and all(float(cell.strip(" |")) > 0 for cell in row[1:])
    monkeypatch.setattr(script.subprocess, "Popen", begun)
    script.main()
    assert capsys.readouterr().out == table


class Failing(Figure):
    """A figure on a disk that is full."""

    def savefig(self, file, **_):
        file.write_text("half")
        raise OSError("no space left")


def test_a_figure_is_whole_or_the_earlier_one(folder, monkeypatch):
    vicinity, cost = load("show_vicinity"), load("measure_cost")
    monkeypatch.setattr(vicinity, "read_image", lambda *_: None)
    monkeypatch.setattr(vicinity, "vicinity_figure", lambda *_: Failing())
    monkeypatch.setattr(cost, "Figure", Failing)
    monkeypatch.setattr(cost, "SERIES", {"a": [], "b": [], "c": []})
    monkeypatch.setattr(cost, "_draw", lambda *_: None)
    before = contents(folder)
    for script, arguments in ((vicinity, ["parts/nut/test/good/0.png"]), (cost, [])):
        monkeypatch.setattr(sys, "argv", ["script", *arguments, "--out", "notes/notes.txt"])
        with pytest.raises(OSError, match="no space left"):
            script.main()
        assert contents(folder) == before


def test_a_benchmark_without_its_peers_says_what_is_missing(monkeypatch, capsys):
    """And has no line of its own, so that the others go on."""
    script = load("benchmark")
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(script.Detector, "fit", begun)
    assert list(script.deployed(SimpleNamespace(pairs=1))) == []
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: name != "openvino" or None)
    with pytest.raises(pytest.fail.Exception, match="begun"):
        next(script.deployed(SimpleNamespace(pairs=1)))
    assert capsys.readouterr().err.startswith("left out: openvino missing")


def test_goldens_are_whole_or_the_earlier_ones(tmp_path, monkeypatch):
    goldens = tmp_path / "goldens.npz"
    goldens.write_text("earlier")

    def failing(file, **_):
        with nullcontext(file) if hasattr(file, "write") else file.open("wb") as open_file:
            open_file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "oracles", SimpleNamespace(torch_levels=begun))
    monkeypatch.setattr(parity, "CASES", ())
    monkeypatch.setattr(parity, "GOLDENS", goldens)
    monkeypatch.setattr(np, "savez_compressed", failing)
    with pytest.raises(OSError, match="no space left"):
        load("write_goldens")
    assert goldens.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [goldens]
