"""KolektorSDD: kos01/Part0.jpg with Part0_label.bmp; a black label means a good part."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gaussft_jax.data.category import GOOD, Category, TestImage
from gaussft_jax.data.folder import folders, list_images, masked
from gaussft_jax.data.images import fill, read_full_mask
from gaussft_jax.data.layouts.layout import Layout

__all__ = ["KOLEKTOR", "judged_by_masks", "with_masks_beside"]

_SUFFIX = "_label"


def with_masks_beside(folder: Path, suffix: str, kind: str) -> tuple[TestImage, ...]:
    """The images of a folder, each with the mask `<stem><suffix>` of the same folder.

    Args:
        folder: of images and masks.
        suffix: of the masks' stems.
        kind: of their files, `.png` say, for the error.

    Raises:
        ValueError: an image lacks its mask, or shares it with another.
    """
    files = list_images(folder)
    masks = {path.stem: path for path in files if path.stem.endswith(suffix)}
    images = [path for path in files if not path.stem.endswith(suffix)]
    remedy = f"add {{stem}}{suffix}{kind} there, black where the image is good"
    return masked(images, "defect", lambda x: masks.get(f"{x.stem}{suffix}"), folder, remedy)


def judged_by_masks(tests: Sequence[TestImage]) -> list[TestImage]:
    """The images, those whose mask is black all over as good ones. The masks are read for it."""
    marked = np.empty(len(tests), bool)
    fill(marked, lambda i: read_full_mask(tests[i].masks[0]).any(), "read masks")
    return [
        test if defective else test._replace(label=GOOD, mask=None)
        for test, defective in zip(tests, marked, strict=True)
    ]


def _holds(folder: Path) -> bool:
    return any(any(item.glob(f"Part*{_SUFFIX}.*")) for item in folder.glob("kos*"))


def _read(folder: Path) -> Category:
    """Tested are all defective images, and all of every fifth item: one item is not in both."""
    items = [item for item in folders(folder) if item.name.startswith("kos")]
    tests = judged_by_masks(
        [
            test._replace(title=f"{item.name}_{test.path.name}")
            for item in items
            for test in with_masks_beside(item, _SUFFIX, ".bmp")
        ]
    )
    tested = items[::5]
    train = tuple(x.path for x in tests if not x.defective and x.path.parent not in tested)
    if not train:
        raise ValueError(f"{folder} has no good image to fit on: it needs some in two kos folders")
    test = [x for x in tests if x.defective or x.path.parent in tested]
    note = f"{folder}: tested are all defective images and the good ones of every fifth kos folder"
    return Category(folder.name, train, tuple(sorted(test, key=lambda x: x.label)), notes=(note,))


KOLEKTOR = Layout("kolektor", "kos01/Part0.jpg and kos01/Part0_label.bmp", _holds, _read)
