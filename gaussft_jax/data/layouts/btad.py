"""BTAD: train/ok, test/{ok,ko}, ground_truth/ko."""

from pathlib import Path

from gaussft_jax.data.category import Category
from gaussft_jax.data.folder import read_test
from gaussft_jax.data.layouts.layout import Layout, good_parts

__all__ = ["BTAD"]

_GOOD = "ok"


def _holds(folder: Path) -> bool:
    return (folder / "train" / _GOOD).is_dir() and (folder / "test" / "ko").is_dir()


def _read(folder: Path) -> Category:
    return _good(folder)._replace(test=read_test(folder / "test", good=_GOOD))


def _good(folder: Path) -> Category:
    return good_parts(folder, _GOOD)


BTAD = Layout("btad", "train/ok and test/{ok,ko}", _holds, _read, _good)
