"""A TensorFlow Datasets builder for categories in the MVTec AD layout; TensorFlow is not needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gaussft_jax.data.folder import GOOD, TestImage, read_category

__all__ = ["MvtecLayout"]


class MvtecLayout(tfds.core.GeneratorBasedBuilder):
    """One category as the data set `mvtec_layout/CATEGORY`, with the splits train and test.

    The files go in as they are, in the order of `read_category`: handing TFDS their paths instead
    of arrays is what spares the import of TensorFlow. Each example has `image`, `label`, `name`
    (of the file), `mask` (black where none is known) and `has_mask`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First."}

    def __init__(self, root: str | Path, category: str, data_dir: str | Path | None = None):
        """Find the files of a category; `download_and_prepare` then writes the data set.

        Args:
            root: folder of categories, as for `read_category`.
            category: name of the category's folder.
            data_dir: of TFDS; None for $TFDS_DATA_DIR or ~/tensorflow_datasets.

        Raises:
            FileNotFoundError, ValueError: as `read_category`.
        """
        self._category = read_category(root, category)
        config = tfds.core.BuilderConfig(name=category, description=f"Category {category}.")
        super().__init__(config=config, data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        labels = sorted({GOOD, *(test.label for test in self._category.test)})
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
        good = (TestImage(path, GOOD, None) for path in self._category.train)
        splits = {"train": self._generate_examples(good)}
        if self._category.test:
            splits["test"] = self._generate_examples(self._category.test)
        return splits

    def _generate_examples(self, photographs) -> Iterator[tuple[int, dict]]:
        for number, photograph in enumerate(photographs):
            mask = photograph.mask
            if mask is None:
                with Image.open(photograph.path) as image:
                    mask = Image.new("L", image.size)
            yield (
                number,
                {
                    "image": photograph.path,
                    "label": photograph.label,
                    "name": photograph.path.name,
                    "mask": mask,
                    "has_mask": photograph.mask is not None,
                },
            )
