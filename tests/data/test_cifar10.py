"""CIFAR-10's Python version, on a small archive in its format made here."""

import pickle
import shutil

import numpy as np
import pytest
from networks import FIELDS
from PIL import Image

from gaussft_jax.configuration import default_config
from gaussft_jax.data import categories, layout_of, read_category, read_images
from gaussft_jax.evaluation import read_scored
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
    assert layout_of(archive / "frog").name == "cifar10" and layout_of(archive) is None
    assert categories(archive) == CLASSES
    category = read_category(archive, "frog")
    assert (len(category.train), len(category.test)) == (15, 12)
    labels = [test.label for test in category.test]
    assert labels[:4] == ["airplane", "good", "truck", "airplane"]
    assert category.test[1].name == "good/00001"
    train = read_images(category.train, 40, progress=False)
    batch = pickle.loads((archive / "data_batch_1").read_bytes())
    pixels = batch[b"data"][1].reshape(3, 32, 32).transpose(1, 2, 0)
    expected = Image.fromarray(pixels).resize((40, 40), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(train[0], expected)


def test_an_experiment(small_network, archive, tmp_path):
    config = default_config()
    config.data.root, config.data.category = str(archive), "frog"
    config.update({"image_size": 64, "scoring_batch_size": 4, "folds": (0,), **FIELDS})
    results = train_and_evaluate(config, tmp_path)
    assert 0 <= results["mean"]["image_auroc"] <= 1
    assert results["mean"]["aupro"] is None


def test_the_maps_stay_on_disk_and_a_label_in_the_folder(small_network, archive, tmp_path):
    odd = tmp_path / "archive"
    shutil.copytree(archive, odd)
    names = ("../../../plane", "frog", "truck")
    meta = {b"label_names": [name.encode() for name in names]}
    (odd / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    config = default_config()
    config.data.root, config.data.category = str(odd), "frog"
    config.update({"image_size": 64, "scoring_batch_size": 4, "folds": (0,), **FIELDS})
    run = tmp_path / "one" / "two" / "run"
    train_and_evaluate(config, run)
    assert len(list((run / "overlays").rglob("*.png"))) == 12
    assert len(list(tmp_path.rglob("*.png"))) == 12
    assert isinstance(read_scored(run / "fold0", None).maps.base, np.memmap)


def test_what_is_wrong_is_named(archive, tmp_path):
    with pytest.raises(ValueError, match="no class 'cat'; it has: airplane, frog, truck"):
        read_category(archive, "cat")
    (tmp_path / "batches.meta").write_bytes((archive / "batches.meta").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"data_batch_1 is missing: give the unpacked"):
        read_category(tmp_path, "frog")
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": print}))
    with pytest.raises(ValueError, match=r"not a file of CIFAR-10: refused builtins\.print"):
        read_category(tmp_path, "frog")
