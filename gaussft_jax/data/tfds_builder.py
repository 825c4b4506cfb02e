"""A TensorFlow Datasets builder for categories in any layout; TensorFlow is not needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gaussft_jax.data.category import GOOD, ImageFile, TestImage
from gaussft_jax.data.images import read_full_mask
from gaussft_jax.data.layouts.registry import read_category

__all__ = ["MvtecLayout"]

_UNKNOWN = ""  # the label that nobody here knows


class MvtecLayout(tfds.core.GeneratorBasedBuilder):
    """One category as the data set `mvtec_layout/CATEGORY`, whatever its own layout.

    Its splits are train, test, and validation and unlabelled ones where it has them. The files go
    in as they are, in the order of `read_category`: handing TFDS encoded files instead of arrays is
    what spares the import of TensorFlow. Each example has `image`, `label` (-1 where it is not
    known), `name` (of the file), `mask` (black where none is known, the union of several) and
    `has_mask`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First."}

    def __init__(self, root: str | Path, category: str, data_dir: str | Path | None = None):
        """Find the files of a category; `download_and_prepare` then writes the data set.

        Args:
            root: folder of categories, as for `read_category`.
            category: one of its categories.
            data_dir: of TFDS; None for $TFDS_DATA_DIR or ~/tensorflow_datasets.

        Raises:
            FileNotFoundError, ValueError: as `read_category`.
        """
        self.category = read_category(root, category)
        config = tfds.core.BuilderConfig(name=category, description=f"Category {category}.")
        super().__init__(config=config, data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        labels = sorted({GOOD, *(test.label for test in self.category.test)})
        features = tfds.features.FeaturesDict({
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(names=labels),
            "name": tfds.features.Text(),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "has_mask": tfds.features.Scalar(np.bool_),
        })  # fmt: skip
        return tfds.core.DatasetInfo(
            builder=self,
            description="Photographs of good and defective parts, with masks of the defects.",
            features=features,
            supervised_keys=("image", "label"),
            # The order of the folder makes the folds, and so the figures, those of the folder.
            disable_shuffling=True,
        )

    def _split_generators(self, download_manager) -> dict[str, Iterator]:
        del download_manager  # the files are here
        category = self.category
        parts = {"train": _labelled(category.train, GOOD), "test": category.test}
        parts["validation"] = _labelled(category.validation, GOOD)
        parts |= {name: _labelled(files, _UNKNOWN) for name, files in category.unlabelled.items()}
        return {name: self._generate_examples(tests) for name, tests in parts.items() if tests}

    def _generate_examples(self, photographs: Sequence[TestImage]) -> Iterator[tuple[int, dict]]:
        for number, photograph in enumerate(photographs):
            yield (
                number,
                {
                    "image": _encoded(photograph.path),
                    "label": -1 if photograph.label == _UNKNOWN else photograph.label,
                    "name": photograph.title or photograph.path.name,
                    "mask": _mask(photograph),
                    "has_mask": photograph.mask is not None,
                },
            )


def _labelled(files: Sequence[ImageFile], label: str) -> tuple[TestImage, ...]:
    return tuple(TestImage(file, label, None) for file in files)


def _mask(photograph: TestImage) -> bytes | Image.Image:
    if not photograph.masks:
        with photograph.path.open("rb") as file, Image.open(file) as image:
            return Image.new("L", image.size)
    if len(photograph.masks) == 1:
        return _encoded(photograph.masks[0])
    united = np.logical_or.reduce([read_full_mask(mask) for mask in photograph.masks])
    return Image.fromarray(united.astype(np.uint8) * 255)


def _encoded(path: ImageFile) -> bytes:
    with path.open("rb") as file:
        return file.read()
