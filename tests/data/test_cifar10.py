"""CIFAR-10's Python version, on a small archive in its format made here."""

import pickle

import numpy as np
import pytest
from PIL import Image

from gaussft_jax.configuration import default_config
from gaussft_jax.data import is_cifar10, read_cifar10
from gaussft_jax.experiment import train_and_evaluate

CLASSES = ("airplane", "frog", "truck")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Five training batches of 9 images and a test batch of 12, of three classes."""
    folder = tmp_path_factory.mktemp("cifar-10-batches-py")
    rng = np.random.default_rng(0)
    for name, count in (*((f"data_batch_{i}", 9) for i in range(1, 6)), ("test_batch", 12)):
        labels = [i % 3 for i in range(count)]
        data = rng.integers(0, 256, (count, 3072), np.uint8) // 4 + 60 * np.uint8(labels)[:, None]
        batch = {b"data": data.astype(np.uint8), b"labels": labels, b"batch_label": b"a text"}
        # Protocol 2, as Python 2 wrote the original.
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {b"label_names": [name.encode() for name in CLASSES]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def test_one_class_is_good(archive):
    assert is_cifar10(archive) and not is_cifar10(archive.parent)
    read = read_cifar10(archive, "frog", 40)
    assert read.train.shape == (15, 40, 40, 3)
    assert read.test.shape == (12, 40, 40, 3)
    assert read.labels[:4] == ("airplane", "good", "truck", "airplane")
    assert read.names[1] == "good/00001"
    batch = pickle.loads((archive / "data_batch_1").read_bytes())
    pixels = batch[b"data"][1].reshape(3, 32, 32).transpose(1, 2, 0)
    expected = Image.fromarray(pixels).resize((40, 40), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(read.train[0], expected)


def test_an_experiment(archive, tmp_path):
    config = default_config()
    config.data.root, config.data.category = str(archive), "frog"
    config.update({"image_size": 64, "scoring_batch_size": 4, "folds": (0,)})
    results = train_and_evaluate(config, tmp_path)
    assert 0 <= results["mean"]["image_auroc"] <= 1
    assert results["mean"]["aupro"] is None


def test_what_is_wrong_is_named(archive, tmp_path):
    with pytest.raises(ValueError, match="no class 'cat'; it has: airplane, frog, truck"):
        read_cifar10(archive, "cat", 32)
    with pytest.raises(FileNotFoundError, match=r"batches\.meta is missing"):
        read_cifar10(tmp_path, "frog", 32)
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": print}))
    with pytest.raises(ValueError, match=r"not a file of CIFAR-10: refused builtins\.print"):
        read_cifar10(tmp_path, "frog", 32)
