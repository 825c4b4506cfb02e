"""CIFAR-10 as one class against the rest, from the files of its Python version."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gaussft_jax.data.category import GOOD, Category, TestImage
from gaussft_jax.data.layouts.layout import Layout

__all__ = ["CIFAR10"]

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_META = "batches.meta"
_GLOBALS = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class _Picture:
    """An image of a batch as a file: what a `Path` is to one in a folder."""

    batch: Path
    number: int
    pixels: UInt8[np.ndarray, "3072"]
    name: str

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The pixels as a bitmap, which loses nothing."""
        assert mode == "rb"
        file = io.BytesIO()
        Image.fromarray(self.pixels.reshape(3, 32, 32).transpose(1, 2, 0)).save(file, "BMP")
        file.seek(0)
        return file

    def __str__(self) -> str:
        return f"{self.batch}, image {self.number}"


def _holds(folder: Path) -> bool:
    return (folder.parent / _META).is_file() and not folder.exists()


def _classes(root: Path) -> list[str]:
    if not (root / _META).is_file():
        return []
    return [_text(name) for name in _load(root / _META)["label_names"]]


def _read(folder: Path) -> Category:
    """One class to train on, and all classes to test on: the others are defects.

    Raises:
        FileNotFoundError: a file of the data set is missing.
        ValueError: the class is unknown, or a file holds anything but arrays, texts and numbers.
    """
    root, good = folder.parent, folder.name
    classes = _classes(root)
    if good not in classes:
        raise ValueError(f"CIFAR-10 has no class {good!r}; it has: {', '.join(classes)}")

    def pictures(name: str) -> list[tuple[str, _Picture]]:
        batch = _load(root / name)
        return [
            (classes[label], _Picture(root / name, number, pixels, f"{number:05d}"))
            for number, (label, pixels) in enumerate(
                zip(batch["labels"], batch["data"], strict=True)
            )
        ]

    train = [image for name in _TRAIN for label, image in pictures(name) if label == good]
    test = [
        TestImage(image, GOOD if label == good else label, None) for label, image in pictures(_TEST)
    ]
    return Category(good, tuple(train), tuple(test))


class _Unpickler(pickle.Unpickler):
    """Arrays, texts, numbers and containers; nothing that runs code of a file's choosing."""

    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise ValueError(f"refused {module}.{name}")
        return super().find_class(module, name)


def _load(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: give the unpacked cifar-10-batches-py, "
            f"with {', '.join((*_TRAIN, _TEST, _META))}"
        )
    with path.open("rb") as file:
        try:
            # Written by Python 2: its texts are bytes, and some of them are an array's content.
            content = _Unpickler(file, encoding="bytes").load()
        except Exception as error:
            raise ValueError(f"{path} is not a file of CIFAR-10: {error}") from error
    return {_text(key): value for key, value in content.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


CIFAR10 = Layout(
    "cifar10",
    f"{_META} beside it, and the name of a class",
    _holds,
    _read,
    names=_classes,
    source=lambda folder: folder.parent,
)
