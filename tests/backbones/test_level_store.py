"""Levels that were computed before are read, not computed; whatever differs is computed."""

import dataclasses
import os
import tempfile
from collections import namedtuple

import jax
import numpy as np
import pytest

from gaussft_jax.backbones import LevelStore, level_store


@pytest.fixture
def counted(tiny, rng):
    """A network that counts its calls, what it is made of, and images."""
    backbone, variables = tiny
    calls = []
    levels = jax.jit(backbone.levels)

    def network(images):
        calls.append(len(images))
        return levels(variables, images)

    return network, calls, backbone, variables, rng.integers(0, 256, (8, 32, 32, 3), np.uint8)


def test_each_image_is_computed_once(counted, tmp_path):
    network, calls, backbone, variables, images = counted
    expected = jax.jit(backbone.levels)(variables, images)
    remembered = LevelStore(tmp_path).remembering(backbone, variables, network)
    remembered(images[:4])
    remembered(images[4:])
    chosen = np.array([6, 1, 3, 4])
    for level, known in zip(expected, remembered(images[chosen]), strict=True):
        np.testing.assert_allclose(known, level[chosen], rtol=1e-5, atol=1e-5)
    assert len(calls) == 2


def test_another_network_is_another_key(counted, tmp_path):
    network, calls, backbone, variables, images = counted
    store = LevelStore(tmp_path)
    moved = jax.tree.map(lambda x: x + 1e-7, variables)
    half = dataclasses.replace(backbone, dtype="bfloat16")
    seeing = dataclasses.replace(backbone, pixels=True)
    for of in ((backbone, variables), (backbone, moved), (half, variables), (seeing, variables)):
        store.remembering(*of, network)(images)
    assert len(calls) == 4


def test_a_full_disk_only_costs_time(counted, tmp_path, monkeypatch):
    network, calls, backbone, variables, images = counted
    store = LevelStore(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    remembered = store.remembering(backbone, variables, network)
    remembered(images)
    assert len(remembered(images)[0]) == 8
    assert len(calls) == 2


def _bytes_of(levels):
    return sum(np.asarray(level[0]).nbytes for level in levels)


def test_images_of_another_size_have_levels_of_another_size(counted, tmp_path):
    network, calls, backbone, variables, images = counted
    remembered = LevelStore(tmp_path).remembering(backbone, variables, network)
    large = images.repeat(2, 1).repeat(2, 2)
    for given in (images, large, images, large):
        expected = jax.jit(backbone.levels)(variables, given)
        for level, known in zip(expected, remembered(given), strict=True):
            np.testing.assert_allclose(known, level, rtol=1e-5, atol=1e-5)
    assert len(calls) == 2


def test_a_full_store_computes_and_still_reads(counted, tmp_path, monkeypatch):
    network, calls, backbone, variables, images = counted
    each = _bytes_of(network(images))
    monkeypatch.setenv("GAUSSFT_LEVEL_STORE_GB", str(5.5 * each / 1e9))
    remembered = LevelStore(tmp_path).remembering(backbone, variables, network)
    calls.clear()
    for part in (images[:4], images[4:], images[4:], images[:4], images[4:5], images[4:5]):
        remembered(part)
    assert calls == [4, 4, 4, 1]


def test_some_of_the_disk_stays_free(counted, tmp_path, monkeypatch):
    network, calls, backbone, variables, images = counted
    each = _bytes_of(network(images))
    usage = namedtuple("usage", "free")
    free = level_store._RESERVE + 4 * each
    monkeypatch.setattr(level_store.shutil, "disk_usage", lambda _: usage(free))
    remembered = LevelStore(tmp_path).remembering(backbone, variables, network)
    calls.clear()
    for part in (images[:5], images[:5], images[:4], images[:4]):
        remembered(part)
    assert calls == [5, 5, 4]


def test_a_limit_of_nothing_turns_the_store_off(tmp_path, monkeypatch):
    monkeypatch.setenv("GAUSSFT_LEVEL_STORE_GB", "0")
    assert not LevelStore(tmp_path).useful


@pytest.fixture
def disks(tmp_path, monkeypatch):
    """Tells the store of which kind the disk of temporary files is; what it makes there counts."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path / "cache"))
    device = tmp_path.stat().st_dev
    monkeypatch.setattr(level_store, "_MOUNTS", tmp_path / "mountinfo")

    def describe(system):
        number = f"{os.major(device)}:{os.minor(device)}"
        (tmp_path / "mountinfo").write_text(
            "21 1 999:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
            f"36 21 {number} / /tmp\\040dir rw,nosuid - {system} none rw,size=1024k\n"
        )

    return describe


def test_a_store_of_its_own_lies_on_a_real_disk(disks, tmp_path, monkeypatch):
    disks("ext4")
    assert LevelStore().useful
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tmp"]
    in_memory = level_store._in_memory
    monkeypatch.setattr(
        level_store, "_in_memory", lambda folder: folder.name == "tmp" or in_memory(folder)
    )
    assert LevelStore().useful
    assert (tmp_path / "cache").is_dir()


def test_a_store_stands_aside_where_all_is_memory(disks):
    for system in ("tmpfs", "ramfs"):
        disks(system)
        assert not LevelStore().useful
