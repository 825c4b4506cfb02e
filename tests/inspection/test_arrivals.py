"""Images that come into folders: each once, and whole."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from gaussft_jax.inspection import arrivals


class Watched:
    """What arrives by a clock of its own; `until` waits for a condition, as often as it wakes."""

    def __init__(self, folders, recursive=False, known=()):
        self.known, self.seen, self.clock = set(known), [], 0.0
        arrivals.time = SimpleNamespace(monotonic=lambda: self.clock)
        self.images = arrivals.arriving_images(folders, recursive, self.known)

    def wake(self, seconds=0.6):
        self.clock += seconds
        while (path := next(self.images)) is not None:
            self.seen.append(path)

    def until(self, condition):
        for _ in range(500):  # two minutes
            if condition():
                return
            self.wake()
        pytest.fail(f"only {self.seen}")

    def names(self):
        return sorted(path.name for path in self.seen)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(arrivals, "time", None)  # each test brings a clock
    folder = tmp_path / "in coming"
    folder.mkdir()
    return folder


def test_what_is_there_and_what_comes(folder):
    (folder / "a.png").write_bytes(b"a")
    (folder / "old.png").write_bytes(b"a")
    (folder / "inner").mkdir()
    watched = Watched([folder], known={str(folder / "old.png")})
    watched.until(lambda: watched.seen)
    (folder / "notes.txt").write_bytes(b"a")
    (folder / ".b.png").write_bytes(b"a")
    (folder / "inner" / "c.png").write_bytes(b"a")
    (folder / "old.png").write_bytes(b"other")
    (folder / "d.JPG").write_bytes(b"a")
    watched.until(lambda: len(watched.seen) == 2)
    (folder / ".b.png").rename(folder / "e.png")  # written beside, then renamed
    watched.until(lambda: len(watched.seen) == 3)
    assert watched.seen == [folder / "a.png", folder / "d.JPG", folder / "e.png"]


def test_folders_that_come_later(tmp_path, folder):
    (tmp_path / "beside" / "deep").mkdir(parents=True)
    (tmp_path / "beside" / "deep" / "a.png").write_bytes(b"a")
    watched = Watched([folder], recursive=True)
    watched.wake()
    (folder / "new").mkdir()
    (folder / "new" / "b.png").write_bytes(b"b")
    watched.until(lambda: watched.names() == ["b.png"])
    (tmp_path / "beside").rename(folder / "moved")
    watched.until(lambda: watched.names() == ["a.png", "b.png"])
    assert folder / "moved" / "deep" / "a.png" in watched.seen


def test_a_link_and_a_relative_name_are_named_as_given(tmp_path, folder, monkeypatch):
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    watched = Watched([tmp_path.joinpath("link").relative_to(tmp_path)])
    watched.wake()
    (folder / "a.png").write_bytes(b"a")
    watched.until(lambda: watched.seen)
    assert watched.seen == [Path("link", "a.png")]


def test_a_file_that_grows_comes_when_it_is_whole(folder):
    with (folder / "slow.png").open("wb", buffering=0) as file:
        watched = Watched([folder])
        watched.wake()
        for _ in range(5):  # longer than a file takes to settle
            file.write(b"x")
            watched.wake(0.9)
            assert not watched.seen
    watched.wake(0.9)
    assert not watched.seen  # it has been as it is for as long as that, no longer
    watched.wake(0.2)
    assert watched.names() == ["slow.png"]


def test_one_that_could_not_be_read_comes_again_when_changed(folder):
    (folder / "a.png").write_bytes(b"ha")
    watched = Watched([folder])
    watched.until(lambda: watched.seen)
    watched.known.discard(str(folder / "a.png"))
    (folder / "b.png").write_bytes(b"b")
    watched.until(lambda: len(watched.seen) == 2)
    (folder / "a.png").write_bytes(b"half")
    watched.until(lambda: len(watched.seen) == 3)
    assert watched.names() == ["a.png", "a.png", "b.png"]


def test_a_file_that_is_gone_and_a_folder_named_like_an_image(folder):
    (folder / "a.png").mkdir()
    (folder / "b.png").write_bytes(b"b")
    watched = Watched([folder])
    watched.wake()
    (folder / "b.png").unlink()
    (folder / "c.png").write_bytes(b"c")
    watched.until(lambda: watched.seen)
    shutil.rmtree(folder / "a.png")
    (folder / "d.png").write_bytes(b"d")
    watched.until(lambda: len(watched.seen) == 2)
    assert watched.names() == ["c.png", "d.png"]
