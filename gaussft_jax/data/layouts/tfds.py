"""Data sets that TensorFlow Datasets prepared, as categories; TensorFlow is not needed."""

import functools
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tqdm import tqdm

from gaussft_jax.data.category import GOOD, Category, TestImage
from gaussft_jax.data.folder import folders
from gaussft_jax.data.layouts.layout import Layout

__all__ = ["TFDS"]

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


def _holds(folder: Path) -> bool:
    return folder.as_posix().startswith(_PREFIX)


def _names(root: Path) -> list[str]:
    """Prepared configs of the data set, or else its classes."""
    if not _holds(root):
        return []
    tfds, name = _tfds(), root.as_posix().removeprefix(_PREFIX)
    if builder := _prepared(tfds, name):
        features = dict(builder.info.features.items())
        return features[_feature(name, features, tfds.features.ClassLabel, "label")].names
    folder = Path(tfds.core.constants.DATA_DIR, name)
    configs = folders(folder) if folder.is_dir() else []
    return [config.name for config in configs if _prepared(tfds, f"{name}/{config.name}")]


def _read(folder: Path) -> Category:
    """The examples of a prepared data set as a category; pixels are read later, as from a folder.

    `folder` is `tfds:NAME/CATEGORY`, NAME prepared as array_record or Parquet in $TFDS_DATA_DIR or
    ~/tensorflow_datasets. CATEGORY is a config of the data set, whose class `good` is then the good
    one, as `scripts/prepare_tfds` makes them; where there is no such config, it is the class that
    counts as good, all others being defects. The splits are `train`, of which the good ones are
    used, and `test`; of a config also `validation` and any others, which are unlabelled. Every
    image feature will do; the first counts. Features `mask` with `has_mask`, and `name`, are used
    where they are there. To find the labels, each record is read once.

    Raises:
        FileNotFoundError: tensorflow-datasets, the data set or a split is missing.
        ValueError: the data set has no such class, no image or label, or is not stored for
            random access.
    """
    tfds = _tfds()
    root, _, category = folder.as_posix().removeprefix(_PREFIX).rpartition("/")
    if not root:
        listed = ", ".join(_names(folder)) or "none is prepared"
        raise FileNotFoundError(f"{folder} names no category: give {folder}/CATEGORY of {listed}")
    builder, good = _open(tfds, root, category)
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
            known = example[label] >= 0  # -1 stands for no label
            of_class = features[label].int2str(example[label]) if known else ""
            yield TestImage(
                record(image),
                GOOD if of_class == good else of_class,
                record("mask") if example.get("has_mask", False) else None,
            )

    splits = builder.info.splits.keys()
    if missing := sorted({"train", "test"} - splits):
        raise FileNotFoundError(f"{name} has no split {missing[0]!r}")

    train = tuple(photograph.path for photograph in read("train") if not photograph.defective)
    test = sorted(read("test"), key=lambda photograph: photograph.label)
    others = [split for split in splits if split not in ("train", "test")] if good == GOOD else []
    further = {split: tuple(photograph.path for photograph in read(split)) for split in others}
    return Category(category, train, tuple(test), further.pop("validation", ()), further)


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
        if builder := _prepared(tfds, variant):
            return builder, good
    raise FileNotFoundError(
        f"neither {name}/{category} nor {name} is prepared in {tfds.core.constants.DATA_DIR}: set "
        "TFDS_DATA_DIR, or run scripts/prepare_tfds or "
        f"tfds.builder({name!r}, file_format='array_record').download_and_prepare()"
    )


def _prepared(tfds: ModuleType, variant: str) -> Any | None:
    """The builder of a data set that is there, or None."""
    try:
        builder = tfds.builder(variant)
    except (TypeError, ValueError):  # unknown name, no such config, or our own builder itself
        return None
    return builder if builder.is_prepared() else None


def _feature(name: str, features: Mapping[str, Any], kind: type, preferred: str) -> str:
    found = [key for key, feature in features.items() if isinstance(feature, kind)]
    if not found:
        raise ValueError(f"{name} has no feature {kind.__name__}; it has: {', '.join(features)}")
    return preferred if preferred in found else found[0]


TFDS = Layout("tfds", f"{_PREFIX}NAME/CATEGORY, no folder", _holds, _read, names=_names)
