"""`gaussft predict` on images that are named or come while it runs."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from processes import LIMIT
from serving.test_server import COMMAND

from gaussft_jax import cli


class Predict:
    """A process that judges, and the lines that it has written so far."""

    def __init__(self, model, out, *words, **options):
        self.predictions = out / "predictions.jsonl"
        # Where the tests run in the background SIGINT is ignored, and a process inherits that.
        inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [*COMMAND, "predict", str(model), *map(str, words), "--out", str(out)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
        signal.signal(signal.SIGINT, inherited)

    def lines(self):
        if not self.predictions.exists():
            return []
        whole = self.predictions.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in whole if line.endswith("\n")]

    def until(self, count):
        end = time.monotonic() + LIMIT
        while len(self.lines()) < count:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, self.lines()
            time.sleep(0.05)
        return self.lines()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        out, err = self.process.communicate(timeout=LIMIT)
        assert b"Traceback" not in err
        return self.process.returncode, out.decode()


@pytest.fixture
def images(parts):
    return sorted((parts / "bolt" / "test" / "good").iterdir())


def test_paths_are_read_from_a_stream(bolt_model, images, tmp_path):
    """Each is judged before the next is named."""
    spaced = tmp_path / "with a space ü.png"
    shutil.copy(images[1], spaced)
    run = Predict(bolt_model, tmp_path / "out", "-")
    given = [images[0], tmp_path / "nowhere.png", spaced]
    for count, path in enumerate(given, 1):
        run.process.stdin.write(f"{path}\n\n".encode())
        run.process.stdin.flush()
        lines = run.until(count)
    assert [line["path"] for line in lines] == [str(path) for path in given]
    assert ["error" in line for line in lines] == [False, True, False]
    code, out = run.end()
    assert code == 1 and "2 of 3 images judged" in out


def _stdin(monkeypatch, *paths):
    lines = "".join(f"{path}\n" for path in paths).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))


def test_a_stream_adds_lines_and_says_what_an_argument_says(
    bolt_model, images, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    command = ["predict", str(bolt_model), "--out"]
    assert cli.main([*command, str(tmp_path / "given"), *map(str, images)]) == 0
    expected = (tmp_path / "given" / "predictions.jsonl").read_text("utf-8")
    _stdin(monkeypatch, *images[1:])
    assert cli.main([*command, str(out), str(images[0]), "-"]) == 0
    found = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    for line, other in zip(found, map(json.loads, expected.splitlines()), strict=True):
        assert line["score"] == pytest.approx(other.pop("score"), rel=1e-5)
        assert {key: line[key] for key in other} == other
    # Once more, after half a line was left: whole lines stay, and their pictures.
    with (out / "predictions.jsonl").open("a") as file:
        file.write('{"path": "/half')
    _stdin(monkeypatch, images[0])
    assert cli.main([*command, str(out), "-"]) == 0
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert lines[:-1] == found and lines[-1]["path"] == str(images[0])
    assert len({line["heatmap"] for line in lines}) == len(list((out / "heatmaps").iterdir())) == 4


def test_what_is_named_late_is_not_written_over(bolt_model, images, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    (out / "heatmaps").mkdir(parents=True)
    mine = out / "heatmaps" / "00000_0.png"
    shutil.copy(images[0], mine)
    _stdin(monkeypatch, mine, out / "heatmaps" / ".." / "heatmaps" / "00000_0.png")
    assert cli.main(["predict", str(bolt_model), "-", "--out", str(out)]) == 1
    assert "lie in one another" in capsys.readouterr().err
    assert mine.read_bytes() == images[0].read_bytes()
    assert len(list(mine.parent.iterdir())) == 1


@pytest.mark.parametrize("text", ['{"mine": 1}\n', '{"mine": 1}', "notes", '"path"\n', "[1]\n"])
def test_a_file_of_something_else_is_not_added_to(bolt_model, tmp_path, monkeypatch, capsys, text):
    (tmp_path / "predictions.jsonl").write_text(text)
    _stdin(monkeypatch)
    assert cli.main(["predict", str(bolt_model), "-", "--out", str(tmp_path)]) == 1
    assert "line 1 is no prediction" in capsys.readouterr().err
    assert (tmp_path / "predictions.jsonl").read_text() == text


def test_a_folder_is_watched_and_watched_again(bolt_model, images, tmp_path):
    """What is there, what comes, what was broken and is mended; after a restart, only the new."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(images[0], folder / "a.png")
    run = Predict(bolt_model, out, folder, "--watch")
    run.until(1)
    whole = images[1].read_bytes()
    (folder / "b.png").write_bytes(whole[:300])
    assert "error" in run.until(2)[1]
    (folder / "b.png").write_bytes(whole)
    run.until(3)
    (folder / "notes.txt").write_text("no image")
    code, said = run.stop()
    assert code == 1 and "2 of 3 images judged" in said
    assert [path.split("/")[-1] for path in _paths(run)] == ["a.png", "b.png", "b.png"]
    shutil.copy(images[2], folder / "c.png")
    run = Predict(bolt_model, out, "--watch", folder)
    lines = run.until(4)
    assert lines[3]["path"] == str(folder / "c.png")
    assert lines[3]["heatmap"] == "heatmaps/00003_c.png"
    code, said = run.stop()
    assert code == 0 and "1 of 1 images judged" in said
    assert len(run.lines()) == 4


def _paths(run):
    return [line["path"] for line in run.lines()]


def test_there_has_to_be_something_to_watch(bolt_model, images, tmp_path, capsys):
    command = ["predict", str(bolt_model), str(images[0]), "--watch", "--out", str(tmp_path)]
    assert cli.main(command) == 1
    assert "give a folder" in capsys.readouterr().err
