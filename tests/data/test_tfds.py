"""Categories written as data sets and read back, and data sets of classes; no TensorFlow."""

import io
import subprocess
import sys

import miniatures
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
    records = data.read_category("tfds:mvtec_layout", category)
    assert data.categories("tfds:mvtec_layout") == ("bolt", "nut")
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


@pytest.mark.parametrize(
    "make", [miniatures.mvtec_loco, miniatures.mvtec_ad2, miniatures.kolektor, miniatures.btad]
)
def test_a_category_of_any_layout_is_prepared(tmp_path, monkeypatch, make):
    from gaussft_jax.data.tfds_builder import MvtecLayout

    name = make(tmp_path)
    expected = data.read_category(tmp_path, name)
    MvtecLayout(tmp_path, name, tmp_path / "tfds").download_and_prepare()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    category = data.read_category("tfds:mvtec_layout", name)
    assert [test.name for test in category.test] == [test.name for test in expected.test]
    assert category.splits.keys() == expected.splits.keys()
    for split, files in expected.splits.items():
        if files:
            mine, yours = (data.read_images(x, 32) for x in (category.splits[split], files))
            np.testing.assert_array_equal(mine, yours)
    masks, of_folder = (data.read_masks(x.test, 32) for x in (category, expected))
    assert masks.any()
    np.testing.assert_array_equal(masks, of_folder)


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
    category = data.read_category("tfds:shapes", "ring")
    np.testing.assert_array_equal(data.read_images(category.train, 10), pixels[1:8:2])
    assert [test.label for test in category.test] == ["disc", "disc", "good", "good"]
    assert [test.path.name for test in category.test] == ["00000", "00002", "00001", "00003"]
    assert data.read_masks(category.test, 10) is None
    assert data.categories("tfds:shapes") == ("disc", "ring")
    with pytest.raises(ValueError, match=r"no class 'cube'; it has: disc, ring"):
        data.read_category("tfds:shapes", "cube")


def test_what_is_not_prepared_is_named_with_the_remedy(data_dir):
    with pytest.raises(FileNotFoundError, match=r"neither mvtec_layout/washer.*scripts/prepare"):
        data.read_category("tfds:mvtec_layout", "washer")
    with pytest.raises(FileNotFoundError, match=r"no category: give .*/CATEGORY of bolt, nut$"):
        data.read_good("tfds:mvtec_layout")


def test_what_is_not_prepared_is_named_also_beside_its_builder(data_dir):
    from gaussft_jax.data.tfds_builder import MvtecLayout

    assert MvtecLayout.name == "mvtec_layout"  # which TFDS now knows, but cannot make
    with pytest.raises(FileNotFoundError, match=r"neither mvtec_layout/washer.*scripts/prepare"):
        data.read_category("tfds:mvtec_layout", "washer")


def test_a_broken_image_is_named_by_data_set_split_and_number(data_dir, monkeypatch):
    record = data.read_category("tfds:mvtec_layout", "bolt").train[3]
    monkeypatch.setattr(type(record), "open", lambda self, mode: io.BytesIO(b"broken"))
    with pytest.raises(data.ImageError, match=r"mvtec_layout/bolt/1.0.0, train 3: not an image"):
        data.read_image(record, 40)
