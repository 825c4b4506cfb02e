"""Images are decoded once, and again when a file changes."""

import os

import numpy as np
import pytest
from PIL import Image

from gaussft_jax.data import images as module
from gaussft_jax.data import read_images


@pytest.fixture
def files(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GAUSSFT_IMAGE_CACHE_GB", "1")
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    return paths


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded."""
    calls = []
    read_image = module.read_image

    def counted(path, size):
        calls.append(path)
        return read_image(path, size)

    monkeypatch.setattr(module, "read_image", counted)
    return calls


def test_the_second_time_nothing_is_decoded(files, decoded):
    first = read_images(files, 16)
    assert len(decoded) == 20
    np.testing.assert_array_equal(read_images(files, 16), first)
    assert len(decoded) == 20


def test_another_size_order_or_content_is_decoded(files, decoded):
    first = read_images(files, 16)
    read_images(files, 12)
    np.testing.assert_array_equal(read_images(files[::-1], 16), first[::-1])
    Image.new("RGB", (9, 8), "red").save(files[3])
    changed = read_images(files, 16)
    assert len(decoded) == 80
    assert (changed[3] == (255, 0, 0)).all()
    np.testing.assert_array_equal(np.delete(changed, 3, 0), np.delete(first, 3, 0))


def test_a_broken_entry_is_replaced(files, decoded, tmp_path):
    first = read_images(files, 16)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    entry.write_bytes(entry.read_bytes()[:500])
    np.testing.assert_array_equal(read_images(files, 16), first)
    assert len(decoded) == 40


def test_what_was_not_used_for_longest_goes_first(files, tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "images"
    read_images(files, 16)
    (first,) = folder.iterdir()
    os.utime(first, (1, 1))
    read_images(files[:19], 16)
    read_images(files, 16)  # used again: now the newest
    (second,) = {*folder.iterdir()} - {first}
    os.utime(second, (2, 2))
    monkeypatch.setenv("GAUSSFT_IMAGE_CACHE_GB", str(2.5 * first.stat().st_size / 1e9))
    read_images(files[:18], 16)
    assert first in folder.iterdir()
    assert second not in folder.iterdir()


def test_it_can_be_turned_off(files, decoded, tmp_path, monkeypatch):
    monkeypatch.setenv("GAUSSFT_IMAGE_CACHE_GB", "0")
    read_images(files, 16)
    read_images(files, 16)
    assert len(decoded) == 40
    assert not (tmp_path / "cache").exists()


def test_arrays_of_others_in_its_folder_stay(files, tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "images"
    folder.mkdir(parents=True)
    np.save(folder / "mine.npy", np.zeros(9999))
    os.utime(folder / "mine.npy", (1, 1))
    monkeypatch.setenv("GAUSSFT_IMAGE_CACHE_GB", "2e-5")
    read_images(files, 16)
    assert (folder / "mine.npy").exists()
