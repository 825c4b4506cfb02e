"""Categories written as data sets and read back, and data sets of classes; no TensorFlow."""

import io
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

from gaussft_jax import data

tfds = pytest.importorskip("tensorflow_datasets", reason="pip install 'gaussft_jax[tfds]'")


@pytest.fixture(scope="module")
def prepared(parts, tmp_path_factory):
    """Both categories of `parts` as data sets, by the script."""
    folder = tmp_path_factory.mktemp("tfds")
    script = REPOSITORY / "scripts" / "prepare_tfds"
    command = [sys.executable, str(script), str(parts), "--data-dir", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "mvtec_layout/bolt/1.0.0: 15 train, 6 test" in done.stdout
    return folder


@pytest.fixture
def data_dir(prepared, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(prepared))
    return prepared


@pytest.mark.parametrize("category", ["bolt", "nut"])
def test_a_prepared_category_is_that_of_the_folder(parts, data_dir, category):
    folder = data.read_category(parts, category)
    records = data.read_tfds_category("tfds:mvtec_layout", category)
    assert data.is_tfds("tfds:mvtec_layout") and not data.is_tfds(parts)
    assert [file.name for file in records.train] == [file.name for file in folder.train]
    for ours, theirs in zip(records.test, folder.test, strict=True):
        assert (ours.label, ours.path.name) == (theirs.label, theirs.path.name)
    for mine, yours in ((records.train, folder.train), _test_files(records, folder)):
        np.testing.assert_array_equal(data.read_images(mine, 40), data.read_images(yours, 40))
    masks, expected = (data.read_masks(source.test, 40) for source in (records, folder))
    if category == "nut":
        assert masks is None and expected is None
    else:
        assert masks.any()
        np.testing.assert_array_equal(masks, expected)
    assert "tensorflow" not in sys.modules


def _test_files(*categories):
    return tuple([image.path for image in category.test] for category in categories)


def test_a_class_of_any_data_set_against_the_rest(tmp_path, monkeypatch, rng):
    pixels = rng.integers(0, 255, (12, 10, 10, 3)).astype(np.uint8)

    class Shapes(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "photo": tfds.features.Image(encoding_format="png"),
                "kind": tfds.features.ClassLabel(names=["disc", "ring"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, download_manager):
            splits = {"train": range(8), "test": range(8, 12)}
            return {name: self._generate_examples(part) for name, part in splits.items()}

        def _generate_examples(self, numbers):
            for i in numbers:
                yield i, {"photo": Image.fromarray(pixels[i]), "kind": i % 2}

    Shapes(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    category = data.read_tfds_category("tfds:shapes", "ring")
    np.testing.assert_array_equal(data.read_images(category.train, 10), pixels[1:8:2])
    assert [test.label for test in category.test] == ["disc", "disc", "good", "good"]
    assert [test.path.name for test in category.test] == ["00000", "00002", "00001", "00003"]
    assert data.read_masks(category.test, 10) is None
    with pytest.raises(ValueError, match=r"no class 'cube'; it has: disc, ring"):
        data.read_tfds_category("tfds:shapes", "cube")


def test_what_is_not_prepared_is_named_with_the_remedy(data_dir):
    with pytest.raises(FileNotFoundError, match=r"neither mvtec_layout/washer.*scripts/prepare"):
        data.read_tfds_category("tfds:mvtec_layout", "washer")


def test_a_broken_image_is_named_by_data_set_split_and_number(data_dir, monkeypatch):
    record = data.read_tfds_category("tfds:mvtec_layout", "bolt").train[3]
    monkeypatch.setattr(type(record), "open", lambda self, mode: io.BytesIO(b"broken"))
    with pytest.raises(data.ImageError, match=r"mvtec_layout/bolt/1.0.0, train 3: not an image"):
        data.read_image(record, 40)
