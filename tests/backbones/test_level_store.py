"""Levels that were computed before are read, not computed; whatever differs is computed."""

import dataclasses

import jax
import numpy as np
import pytest

from gaussft_jax.backbones import LevelStore


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
    for of in ((backbone, variables), (backbone, moved), (half, variables)):
        store.remembering(*of, network)(images)
    assert len(calls) == 3


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
