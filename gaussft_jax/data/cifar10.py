"""CIFAR-10 as one class against the rest, from the files of its Python version."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gaussft_jax.data.folder import GOOD
from gaussft_jax.data.images import fill

__all__ = ["OneVersusRest", "is_cifar10", "read_cifar10"]

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


class OneVersusRest(NamedTuple):
    """One class as the good one.

    Attributes:
        train: its training images, uint8 [n s s 3].
        test: the test images of all classes, uint8 [m s s 3].
        labels: `good` or the name of the class, of each test image.
        names: `LABEL/NUMBER`, of each test image.
    """

    train: UInt8[np.ndarray, "n s s 3"]
    test: UInt8[np.ndarray, "m s s 3"]
    labels: tuple[str, ...]
    names: tuple[str, ...]


def is_cifar10(folder: str | Path) -> bool:
    """Whether the folder holds CIFAR-10's Python version, as `cifar-10-batches-py` does."""
    return (Path(folder) / _META).is_file()


def read_cifar10(folder: str | Path, good: str, size: int) -> OneVersusRest:
    """The class `good` to train on, and all classes to test on.

    Args:
        folder: the unpacked `cifar-10-batches-py`.
        good: name of a class, as in batches.meta.
        size: side to resize to with Pillow's bilinear filter, pixels.

    Raises:
        FileNotFoundError: a file of the data set is missing.
        ValueError: the class is unknown, or a file holds anything but arrays, texts and numbers.
    """
    folder = Path(folder)
    classes = [_text(name) for name in _load(folder / _META)["label_names"]]
    if good not in classes:
        raise ValueError(f"CIFAR-10 has no class {good!r}; it has: {', '.join(classes)}")
    batches = [_load(folder / name) for name in _TRAIN]
    train = np.concatenate([batch["data"] for batch in batches])
    of_class = np.concatenate([batch["labels"] for batch in batches]) == classes.index(good)
    test = _load(folder / _TEST)
    labels = tuple(GOOD if classes[i] == good else classes[i] for i in test["labels"])
    return OneVersusRest(
        _resized(train[of_class], size),
        _resized(test["data"], size),
        labels,
        tuple(f"{label}/{number:05d}" for number, label in enumerate(labels)),
    )


def _resized(rows: UInt8[np.ndarray, "n 3072"], size: int) -> UInt8[np.ndarray, "n s s 3"]:
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    resized = np.empty((len(images), size, size, 3), np.uint8)
    square, bilinear = (size, size), Image.Resampling.BILINEAR
    fill(
        resized, lambda i: np.asarray(Image.fromarray(images[i]).resize(square, bilinear)), "resize"
    )
    return resized


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
