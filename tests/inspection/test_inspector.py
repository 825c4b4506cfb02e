"""Images in order, whatever their number, and none kept waiting for others."""

import dataclasses
import threading

import numpy as np
import pytest
from PIL import Image

from gaussft_jax.data import read_image
from gaussft_jax.inspection import Inspector, named_images


@pytest.fixture
def paths(tmp_path, rng):
    """As many as make two batches and a rest, of any shape; the fourth is broken."""
    paths = [tmp_path / f"{i}.png" for i in range(19)]
    for path in paths:
        size = (*rng.integers(20, 50, 2), 3)
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(path)
    paths[3].write_bytes(paths[3].read_bytes()[:100])
    return paths


@pytest.mark.parametrize("pauses", [(), (1,), (0, 5, 5, 19)])
def test_every_image_is_finished_in_order(tiny_detector, paths, pauses):
    inspector = Inspector(tiny_detector, 0.5)
    given = [*paths]
    for place in reversed(pauses):
        given.insert(place, None)
    found = list(inspector.inspect(given, lambda inspected: inspected, 7))
    assert [inspected.path for inspected in found] == paths
    assert [inspected.number for inspected in found] == list(range(7, 26))
    assert found[3].verdict is None and "3.png" in found[3].error
    whole = [*found[:3], *found[4:]]
    images = np.stack([read_image(inspected.path, 32) for inspected in whole])
    expected = tiny_detector.predict(images)
    said = [inspected.verdict.said for inspected in whole]
    np.testing.assert_allclose([x["score"] for x in said], expected.scores, rtol=1e-5)
    np.testing.assert_allclose([x["p_value"] for x in said], expected.p_values)
    assert {x["decision"] for x in said} == {"defective"}
    for inspected in whole:
        with Image.open(inspected.path) as image:
            assert inspected.verdict.heatmap.shape == (image.height, image.width, 3)


def test_a_pause_finishes_what_was_before_it(tiny_detector, paths):
    finished = []

    def given():
        yield from paths[:10]
        yield None
        assert finished == list(range(10))
        yield paths[10]

    for inspected in Inspector(tiny_detector, 0.5).inspect(given(), lambda inspected: inspected):
        finished.append(inspected.number)
    assert finished == list(range(11))


def test_few_images_are_asked_for_ahead(tiny_detector, paths):
    """However long a stream is: what is in memory does not grow with it."""
    asked = []

    def endless():
        while True:
            asked.append(None)
            yield paths[0]

    found = Inspector(tiny_detector, 0.5).inspect(endless(), lambda inspected: inspected)
    for _ in range(3):
        next(found)
    assert len(asked) <= 60  # batches are of eight


def test_what_finish_raises_ends_the_inspection(tiny_detector, paths):
    def full(_):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        list(Inspector(tiny_detector, 0.5).inspect(paths, full))


def test_without_calibration_nothing_is_decided(tiny_detector, paths):
    bare = dataclasses.replace(tiny_detector, calibration=None)
    for inspected in Inspector(bare, None).inspect(paths[:2], lambda inspected: inspected):
        assert inspected.verdict.said.keys() == {"score"}
        assert inspected.verdict.mask is None


class Slow:
    """A stream that has a line only when it is told to."""

    def __init__(self):
        self.allowed = threading.Semaphore(0)
        self.lines = [b"a b.png\n", b"\r\n", "ü\n".encode(), b"\xff.png"]

    def __iter__(self):
        for line in self.lines:
            self.allowed.acquire()
            yield line
        self.allowed.acquire()


def test_lines_come_as_they_are_written():
    stream = Slow()
    images = named_images(stream)
    assert next(images) is None  # and nothing was waited for
    stream.allowed.release()
    found = [next(images)]
    stream.allowed.release(4)
    found += [path for path in images if path is not None]
    assert [bytes(path) for path in found] == [b"a b.png", "ü".encode(), b"\xff.png"]
