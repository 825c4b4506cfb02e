"""What a user gives to fit on or to measure by: a category of any layout, or a plain folder."""

from pathlib import Path
from typing import NamedTuple

from gaussft_jax.data.category import GOOD, Category
from gaussft_jax.data.folder import folders, list_images, read_test, skipped
from gaussft_jax.data.layouts.registry import layout_of, unrecognised

__all__ = ["Given", "read_good", "read_labelled"]

_TESTS = ("test", "test_public")  # that are taken whole, with the masks of their category


class Given(NamedTuple):
    """A category that may have images to fit on alone, or to test on alone.

    Attributes:
        category: see there.
        sources: the folders that hold its files, in which nothing may be written.
    """

    category: Category
    sources: tuple[Path, ...]


def read_good(folder: str | Path, recursive: bool = False) -> Given:
    """The good images of a category in any layout, or all those of a plain folder.

    Args:
        folder: the category or the folder.
        recursive: look into the folders of a plain folder as well.

    Raises:
        FileNotFoundError: there is no such folder, or nothing in it that could be meant.
        ValueError: it holds no image; it is a category and `recursive` is given; or as from
            `read_category`.
    """
    folder = Path(folder)
    if known := layout_of(folder):
        if recursive:
            raise ValueError(
                f"{folder} is a category ({known.name}), which says itself what is good: leave "
                "--recursive out, or give the folder of good images"
            )
        category = (known.good or known.read)(folder)
        parents = sorted({path.parent for path in category.train if isinstance(path, Path)})
        return Given(_noting_skipped(category, parents), _sources(folder, category))
    try:
        train = list_images(folder, recursive)
    except ValueError as error:
        if recursive or not folders(folder):
            raise
        alone = f"; or give {folder / GOOD} alone" if (folder / GOOD).is_dir() else ""
        raise FileNotFoundError(unrecognised(folder) + alone) from error
    category = Category(folder.name, train)
    return Given(_noting_skipped(category, [folder], recursive), (folder,))


def read_labelled(folder: str | Path) -> Given:
    """The labelled images of a category in any layout, or of a folder with one for each label.

    Args:
        folder: the category, its `test`, or any folder with `good` and a folder for each defect;
            masks are then in `folder/../ground_truth`.

    Raises:
        FileNotFoundError: there is no such folder, or nothing in it that could be meant.
        ValueError: nothing is to be tested on, or as from `read_test`.
    """
    folder = Path(folder)
    for place in (folder, folder.parent) if folder.name.lower() in _TESTS else (folder,):
        if known := layout_of(place):
            category = known.read(place)
            if not category.test:
                raise ValueError(f"{place} has no test images ({known.name}): nothing to measure")
            return Given(category, _sources(place, category))
    inside = folder / "test"
    images = inside if inside.is_dir() else folder
    if images.is_dir() and not folders(images):
        raise FileNotFoundError(unrecognised(folder))
    sources = (images, images.parent / "ground_truth")
    return Given(Category(folder.name, (), read_test(images)), sources)


def _noting_skipped(category: Category, read: list[Path], recursive: bool = False) -> Category:
    left_out = [(folder, skipped(folder, recursive)) for folder in read]
    notes = tuple(f"{folder}: {what}" for folder, what in left_out if what)
    return category._replace(notes=category.notes + notes)


def _sources(folder: Path, category: Category) -> tuple[Path, ...]:
    """The folders of `folder` that hold the files: train, test and ground_truth, say."""
    files = [path for images in category.splits.values() for path in images]
    files += [mask for test in category.test for mask in test.masks]
    own = [path for path in files if isinstance(path, Path) and path.is_relative_to(folder)]
    tops = {folder / path.relative_to(folder).parts[0] for path in own}
    return (*sorted(tops), *(folder / name for name in (*_TESTS, "ground_truth")))
