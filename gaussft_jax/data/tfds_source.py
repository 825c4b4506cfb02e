"""Data sets that TensorFlow Datasets prepared, as categories; TensorFlow is not needed."""

import functools
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tqdm import tqdm

from gaussft_jax.data.folder import GOOD, Category, TestImage

__all__ = ["is_tfds", "read_tfds_category"]

_PREFIX = "tfds:"


@dataclass(frozen=True)
class _Record:
    """An image file inside a data set: what a `Path` is to one in a folder."""

    source: Any
    number: int
    feature: str
    name: str

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The encoded file."""
        assert mode == "rb"
        return io.BytesIO(self.source[self.number][self.feature])

    def __str__(self) -> str:
        return f"{self.source.dataset_info.full_name}, {self.source.split} {self.number}"


def is_tfds(root: object) -> bool:
    """Whether `data.root` names a data set of TFDS, as `tfds:mvtec_layout` does."""
    return str(root).startswith(_PREFIX)


def read_tfds_category(root: str, category: str) -> Category:
    """The examples of a prepared data set as a category; pixels are read later, as from a folder.

    `category` is a config of the data set, whose class `good` is then the good one, as
    `scripts/prepare_tfds` makes them; where there is no such config, it is the class that counts as
    good, all others being defects. The splits are `train`, of which the good ones are used, and
    `test`. Every image feature will do; the first counts. Features `mask` with `has_mask`, and
    `name`, are used where they are there. To find the labels, each record is read once.

    Args:
        root: `tfds:NAME`, prepared as array_record or Parquet in $TFDS_DATA_DIR or
            ~/tensorflow_datasets.
        category: see above.

    Raises:
        FileNotFoundError: tensorflow-datasets, the data set or a split is missing.
        ValueError: the data set has no such class, no image or label, or is not stored for
            random access.
    """
    tfds = _tfds()
    builder, good = _open(tfds, root.removeprefix(_PREFIX), category)
    name, features = builder.info.full_name, dict(builder.info.features.items())
    image = _feature(name, features, tfds.features.Image, "image")
    label = _feature(name, features, tfds.features.ClassLabel, "label")
    if good not in features[label].names:
        known = ", ".join(features[label].names)
        raise ValueError(f"{name} has no class {good!r}; it has: {known}")
    # Pixels are decoded by `read_images`, like those of a folder.
    encoded = {
        key: tfds.decode.SkipDecoding()
        for key, kind in features.items()
        if isinstance(kind, tfds.features.Image)
    }

    def read(split: str) -> Iterator[TestImage]:
        try:
            source = builder.as_data_source(split, decoders=encoded)
        except NotImplementedError as error:
            raise ValueError(f"{name}: {str(error).splitlines()[0]}") from error
        for number in tqdm(range(len(source)), f"list {split} examples", unit=" examples"):
            example = source[number]
            file = example["name"].decode() if "name" in features else f"{number:05d}"
            record = functools.partial(_Record, source, number, name=file)
            of_class = features[label].int2str(example[label])
            yield TestImage(
                record(image),
                GOOD if of_class == good else of_class,
                record("mask") if example.get("has_mask", False) else None,
            )

    missing = {"train", "test"} - builder.info.splits.keys()
    if missing:
        raise FileNotFoundError(f"{name} has no split {missing.pop()!r}")
    train = tuple(photograph.path for photograph in read("train") if not photograph.defective)
    test = sorted(read("test"), key=lambda photograph: photograph.label)
    return Category(category, train, tuple(test))


def _tfds() -> ModuleType:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise FileNotFoundError(
            f"{_PREFIX}... needs tensorflow-datasets ({error}): pip install 'gaussft_jax[tfds]'"
        ) from error
    return tensorflow_datasets


def _open(tfds: ModuleType, name: str, category: str) -> tuple[Any, str]:
    """The builder of a prepared data set, and its class that counts as good."""
    for variant, good in ((f"{name}/{category}", GOOD), (name, category)):
        try:
            builder = tfds.builder(variant)
        except ValueError:  # unknown name, or no such config
            continue
        if builder.is_prepared():
            return builder, good
    raise FileNotFoundError(
        f"neither {name}/{category} nor {name} is prepared in {tfds.core.constants.DATA_DIR}: set "
        "TFDS_DATA_DIR, or run scripts/prepare_tfds or "
        f"tfds.builder({name!r}, file_format='array_record').download_and_prepare()"
    )


def _feature(name: str, features: Mapping[str, Any], kind: type, preferred: str) -> str:
    found = [key for key, feature in features.items() if isinstance(feature, kind)]
    if not found:
        raise ValueError(f"{name} has no feature {kind.__name__}; it has: {', '.join(features)}")
    return preferred if preferred in found else found[0]
