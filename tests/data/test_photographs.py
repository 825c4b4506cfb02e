"""The built-in photographs: exact masks, disjoint regions, the same bytes from the same seed."""

import json
import socket
import subprocess
import sys

import numpy as np
import pytest
import skimage
from PIL import Image

from gaussft_jax.data import (
    PHOTOGRAPHS,
    list_images,
    photographs,
    read_category,
    read_masks,
    write_photographs,
)
from gaussft_jax.data.defects import DEFECTS, VISIBLE
from gaussft_jax.data.photographs import CROP

COUNTS = {"good": 20, "hole": 10, "misplaced_patch": 10, "scratch": 10, "stain": 10}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("photo graphs") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", None)  # whatever would download fails
        for category in PHOTOGRAPHS:
            assert write_photographs(root, category) == root / category
    return root


def pixels(path):
    return np.asarray(Image.open(path))


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", DEFECTS)
@pytest.mark.parametrize("crop", ["photograph", "black", "white", "noise"])
def test_masks_are_exactly_what_changed(rng, name, crop):
    for _ in range(5):
        top, left = rng.integers(0, 512 - CROP, 2)
        untouched = {
            "photograph": skimage.data.brick()[top : top + CROP, left : left + CROP],
            "black": np.zeros((CROP, CROP), np.uint8),
            "white": np.full((CROP, CROP), 255, np.uint8),
            "noise": rng.integers(0, 256, (CROP, CROP)).astype(np.uint8),
        }[crop]
        before = untouched.copy()
        image, mask = DEFECTS[name](untouched, rng)
        np.testing.assert_array_equal(untouched, before)
        np.testing.assert_array_equal(image != untouched, mask)
        assert abs(image.astype(int) - untouched)[mask].min() >= VISIBLE
        assert 0.0005 < mask.mean() < 0.2


@pytest.mark.parametrize("category", PHOTOGRAPHS)
def test_layout(root, category):
    found = read_category(root, category)
    assert len(found.train) == 70
    labels = [image.label for image in found.test]
    assert {label: labels.count(label) for label in labels} == COUNTS
    masks = read_masks(found.test, CROP)
    assert [bool(mask.any()) for mask in masks] == [label != "good" for label in labels]
    for path in (*found.train, *(image.path for image in found.test)):
        assert pixels(path).shape == (CROP, CROP)


@pytest.mark.parametrize("category", PHOTOGRAPHS)
def test_train_and_test_share_no_pixel_of_the_photograph(root, category):
    photograph = getattr(skimage.data, category)()
    used = {"train": np.zeros((512, 512), bool), "test": np.zeros((512, 512), bool)}
    places = {}
    for top in range(512):
        for left in range(512 - CROP + 1):
            places[photograph[top, left : left + CROP].tobytes()] = top, left

    def mark(part, path, mask):
        image = pixels(path)
        row = np.flatnonzero(~mask.any(axis=1))[0]  # one that no defect touches
        top, left = places[image[row].tobytes()]
        where = slice(top - row, top - row + CROP), slice(left, left + CROP)
        np.testing.assert_array_equal(image != photograph[where], mask)
        used[part][where] = True

    found = read_category(root, category)
    for path in found.train:
        mark("train", path, np.zeros((CROP, CROP), bool))
    for image, mask in zip(found.test, read_masks(found.test, CROP), strict=True):
        mark("test", image.path, mask)
    assert not (used["train"] & used["test"]).any()
    assert used["train"].sum() > 100_000
    assert used["test"].sum() > 80_000


def test_same_seed_same_bytes(root, tmp_path):
    command = "import sys, gaussft_jax.data as data; data.write_photographs(sys.argv[1])"
    subprocess.run([sys.executable, "-c", command, tmp_path / "again"], check=True)
    assert contents(tmp_path / "again" / "brick") == contents(root / "brick")
    write_photographs(tmp_path / "other", seed=1)
    assert contents(tmp_path / "other" / "brick") != contents(root / "brick")


def test_only_a_complete_folder_is_reused(tmp_path, monkeypatch):
    def interrupted(image, path):
        if path.parent.name == "scratch":
            raise KeyboardInterrupt
        save(image, path)

    save = photographs._save
    monkeypatch.setattr(photographs, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_photographs(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()

    folder = write_photographs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["brick"]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write_photographs(str(tmp_path)) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with pytest.raises(ValueError, match=r"brick is in the way: its origin\.json says.*'seed': 0"):
        write_photographs(tmp_path, seed=1)
    assert json.loads((folder / "origin.json").read_text())["seed"] == 0
    assert len(list_images(folder / "train" / "good")) == 70


def test_two_runs_at_once(tmp_path, monkeypatch):
    write = photographs._write

    def overtaken(folder, photograph, origin):
        write(folder, photograph, origin)
        monkeypatch.undo()
        write_photographs(tmp_path)

    monkeypatch.setattr(photographs, "_write", overtaken)
    assert write_photographs(tmp_path) == tmp_path / "brick"
    assert [path.name for path in tmp_path.iterdir()] == ["brick"]


def test_what_is_in_the_way_or_unknown(tmp_path):
    (tmp_path / "grass").mkdir()
    with pytest.raises(ValueError, match=r"grass is in the way: its origin\.json says nothing"):
        write_photographs(tmp_path, "grass")
    with pytest.raises(ValueError, match="no photograph 'sand'; there are brick, grass, gravel"):
        write_photographs(tmp_path, "sand")
