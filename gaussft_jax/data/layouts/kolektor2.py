"""KolektorSDD2: train/10000.png with 10000_GT.png, test alike; a black mask means a good part."""

from pathlib import Path

from gaussft_jax.data.category import Category
from gaussft_jax.data.layouts.kolektor import judged_by_masks, with_masks_beside
from gaussft_jax.data.layouts.layout import Layout

__all__ = ["KOLEKTOR2"]

_SUFFIX = "_GT"


def _holds(folder: Path) -> bool:
    return any((folder / "train").glob(f"*{_SUFFIX}.*"))


def _read(folder: Path) -> Category:
    train, test = (
        judged_by_masks(with_masks_beside(folder / part, _SUFFIX, ".png"))
        for part in ("train", "test")
    )
    good = tuple(image.path for image in train if not image.defective)
    left_out = len(train) - len(good)
    note = f"{folder / 'train'}: {left_out} defective images not used"
    tests = tuple(sorted(test, key=lambda image: image.label))
    return Category(folder.name, good, tests, notes=(note,) if left_out else ())


KOLEKTOR2 = Layout("kolektor2", "train/10000.png and train/10000_GT.png", _holds, _read)
