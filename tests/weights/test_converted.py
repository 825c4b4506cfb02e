"""The converted form, written and read again."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from gaussft_jax.weights import load_converted, save_converted

METADATA = {"name": "n", "source": "file.pth", "source_sha256": "ab", "licence": "Apache-2.0"}


@pytest.fixture
def arrays(rng):
    return {"params/a": rng.normal(size=(3, 4)).astype(np.float32), "b": np.zeros(2, np.float32)}


def test_round_trip(tmp_path, arrays):
    save_converted(tmp_path / "deep" / "n", {"old": np.zeros(1)}, METADATA)
    save_converted(tmp_path / "deep" / "n", arrays, METADATA)
    got = load_converted(tmp_path / "deep" / "n")
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)


def test_the_files_are_plain(tmp_path, arrays):
    save_converted(tmp_path, arrays, METADATA)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["weights.json", "weights.safetensors"]
    digest = hashlib.sha256((tmp_path / "weights.safetensors").read_bytes()).hexdigest()
    assert json.loads((tmp_path / "weights.json").read_text()) == {**METADATA, "sha256": digest}
    np.testing.assert_array_equal(
        load_file(tmp_path / "weights.safetensors")["params/a"], arrays["params/a"]
    )


def test_a_changed_file_is_an_error(tmp_path, arrays):
    save_converted(tmp_path, arrays, METADATA)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=r"weights\.safetensors was changed"):
        load_converted(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '"a"'])
def test_a_broken_description_is_an_error(tmp_path, arrays, text):
    save_converted(tmp_path, arrays, METADATA)
    (tmp_path / "weights.json").write_text(text)
    with pytest.raises(ValueError, match=r"weights\.json tells no sha256"):
        load_converted(tmp_path)


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"weights\.json"):
        load_converted(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path, arrays):
    (tmp_path / "weights.safetensors").write_text("of somebody else")
    with pytest.raises(FileExistsError, match=r"no weights\.json"):
        save_converted(tmp_path, arrays, METADATA)
    assert (tmp_path / "weights.safetensors").read_text() == "of somebody else"
    assert len(list(tmp_path.iterdir())) == 1
