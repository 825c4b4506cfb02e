import csv
import json
import os
from pathlib import Path

import pytest

from gaussft_jax import files

NAME = os.fsdecode(b"crack/\xff.png")  # a file name that is no valid UTF-8


def test_a_name_that_is_no_unicode_costs_no_result(tmp_path):
    files.write_json(tmp_path / "a.json", {NAME: 1})
    assert files.read_json(tmp_path / "a.json") == {NAME: 1}
    files.write_csv(tmp_path / "a.csv", [("image", "score"), (NAME, 0.5)])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["image", "score"], ["crack/\\udcff.png", "0.5"]]


def test_nan_is_refused_and_leaves_the_earlier_file(tmp_path):
    files.write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", [float("nan")])
    assert json.loads((tmp_path / "a.json").read_text()) == [1]
    assert len(list(tmp_path.iterdir())) == 1


MARKER = "a.json"


def _fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def _contents(folder):
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*.*")}


def test_a_folder_is_replaced_whole_and_keeps_what_others_put_there(tmp_path):
    folder = _fill(tmp_path / "out", MARKER, "mine/b.txt")
    with files.replacing_folder(folder, MARKER) as new:
        assert not list(new.iterdir())
        (new / MARKER).write_text("newer")
    contents = {str(path): text for path, text in _contents(folder).items()}
    assert contents == {MARKER: "newer", "mine/b.txt": "mine/b.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("there", [False, True])
def test_a_new_and_an_empty_folder_are_written(tmp_path, there):
    folder = tmp_path / "deeper" / "out"
    if there:
        folder.mkdir(parents=True)
    files.check_replaceable(folder, MARKER)
    with files.replacing_folder(folder, MARKER) as new:
        (new / MARKER).write_text("new")
    assert _contents(tmp_path) == {Path("deeper/out", MARKER): "new"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_what_others_put_there_meanwhile_is_not_replaced(tmp_path):
    folder = tmp_path / "out"
    with (
        pytest.raises(FileExistsError, match=r"no a\.json"),
        files.replacing_folder(folder, MARKER) as new,
    ):
        (new / MARKER).write_text("new")
        _fill(folder, "mine.txt")
    assert list(_contents(tmp_path)) == [Path("out/mine.txt")]


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    folder = _fill(tmp_path / "out", "000.png")
    with (
        pytest.raises(FileExistsError, match=r"no a\.json"),
        files.replacing_folder(folder, MARKER),
    ):
        pytest.fail("the work was begun")
    assert list(_contents(tmp_path)) == [Path("out/000.png")]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_between_the_renames_leaves_the_earlier_folder(tmp_path, monkeypatch, error):
    folder = _fill(tmp_path / "out", MARKER, "mine.txt")
    before, rename = _contents(folder), Path.rename

    def failing(path, target):
        if path.name == "new":
            raise error("between")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(error, match="between"), files.replacing_folder(folder, MARKER) as new:
        (new / MARKER).write_text("newer")
    assert _contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folders_that_cannot_be_replaced(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for folder in (".", tmp_path / "inner"):
        with pytest.raises(ValueError, match="is the current folder or one above"):
            files.check_replaceable(folder, MARKER)
    (tmp_path / "link").symlink_to(tmp_path / "inner")
    with pytest.raises(FileExistsError, match="is a link"):
        files.check_replaceable(tmp_path / "link", MARKER)
    _fill(tmp_path, "file.txt")
    for place, error in ((tmp_path / "file.txt", "is a file"), (tmp_path / "link", "is a link")):
        with (
            pytest.raises(FileExistsError, match=error),
            files.replacing_folder(place, MARKER),
        ):
            pytest.fail("the work was begun")
    assert (tmp_path / "file.txt").read_text() == "file.txt"
    for folder in (tmp_path / "file.txt", tmp_path / "file.txt" / "deeper"):
        with pytest.raises(NotADirectoryError, match=r"file\.txt is a file"):
            files.check_folder(folder)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        files.check_file(tmp_path)


def test_a_read_only_folder_is_told_before_the_work(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(files.os, "access", lambda path, _: asked.append(path) or False)
    with pytest.raises(PermissionError, match="is read-only; give another"):
        files.check_file(tmp_path / "new" / "file.txt")
    assert asked == [tmp_path.resolve()]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_earlier_file_and_nothing_beside_it(tmp_path, error):
    _fill(tmp_path, "a.txt")
    with pytest.raises(error), files.replacing(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise error
    assert _contents(tmp_path) == {Path("a.txt"): "a.txt"}


def test_no_file_takes_the_place_of_a_folder(tmp_path):
    _fill(tmp_path, "out/mine.txt")
    with (
        pytest.raises(IsADirectoryError, match="out is a folder"),
        files.replacing(tmp_path / "out"),
    ):
        pytest.fail("the work was begun")
    assert list(_contents(tmp_path)) == [Path("out/mine.txt")]


@pytest.mark.parametrize("path", ["data", "data/x", ".", "data/../data/y/z", "link/new"])
def test_outputs_lie_apart_from_inputs(tmp_path, path):
    _fill(tmp_path, "data/000.png")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(ValueError, match="lie in one another"):
        files.check_apart(tmp_path / path, [tmp_path / "data", tmp_path / "other"])
    files.check_apart(tmp_path / "data-2", [tmp_path / "data"])


def test_only_what_is_ours_is_written_over(tmp_path):
    names = ("results.json", "fold[0-9]")
    files.check_own(tmp_path / "new", names, "field")
    _fill(tmp_path, "notes.txt", "folder/000.png")
    files.check_own(tmp_path, names, "field")
    _fill(tmp_path, "fold1/x.png")
    for text in (None, "[1]", "{", '{"other": 1}'):
        if text:
            (tmp_path / "results.json").write_text(text)
        with pytest.raises(ValueError, match="of something else"):
            files.check_own(tmp_path, names, "field")
    (tmp_path / "results.json").write_text('{"field": 1}')
    files.check_own(tmp_path, names, "field")


def test_what_is_being_written_has_a_name_of_its_own(tmp_path):
    path = tmp_path / "a.txt"
    with files.replacing(path) as first, files.replacing(path) as second:
        assert first != second
        assert {beside.suffix for beside in (first, second)} == {".part"}
        assert first.name.startswith(".")
        first.write_text("1")
        second.write_text("2")
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0o027)
    try:
        files.write_text(path, "3")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ü 1.png", "ü 1.png"), ("../../x", ".._.._x"), ("..", "_.."), ("", "_"),
        ("C:\\x", "C__x"), ("a\0b", "a_b"), ("傷" * 99, "傷" * 66),
    ],
)  # fmt: skip
def test_any_text_as_a_file_name(text, name):
    assert files.file_name(text) == name
