"""What a layout is: how a category of it is known, and how it is read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gaussft_jax.data.category import GOOD, Category
from gaussft_jax.data.folder import folders, list_images

__all__ = ["Layout", "every_fifth", "good_parts", "not_read"]


class Layout(NamedTuple):
    """A way to lay out a category. `folder` is always `root/category`, be it a folder or not.

    Attributes:
        name: for `config.data.layout`.
        looks: what `folder` looks like, in a few words.
        holds: whether a category of this layout is at `folder`; of a folder only one layout is.
        read: the category at `folder`.
        good: the same without test images, where they do not matter to what is fitted on; a fault
            among them then stops no fit.
        names: the categories of a root that are no folders in it; none where it is another root.
        source: what is read there, in which nothing may be written.
    """

    name: str
    looks: str
    holds: Callable[[Path], bool]
    read: Callable[[Path], Category]
    good: Callable[[Path], Category] | None = None
    names: Callable[[Path], Sequence[str]] = lambda root: ()
    source: Callable[[Path], Path] = lambda folder: folder


def every_fifth(images: Sequence[Path], what: str) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Good images divided where the layout does not: those to fit on; the 1st, 6th, ... to test.

    Raises:
        ValueError: there is only one.
    """
    if len(images) < 2:
        raise ValueError(f"{what} holds one image: one to fit on and one to test on are needed")
    tested = set(images[::5])
    return tuple(path for path in images if path not in tested), tuple(images[::5])


def good_parts(folder: Path, good: str = GOOD) -> Category:
    """A category without test images yet: train/<good>, and validation/<good> where it is there.

    Raises:
        FileNotFoundError, ValueError: as from `list_images`.
    """
    train = list_images(folder / "train" / good)
    apart = folder / "validation" / good
    validation = list_images(apart) if apart.is_dir() else ()
    notes = not_read(folder / "train", [good])
    if validation:
        note = f"{apart}: {len(validation)} good images set apart, neither fitted nor tested on"
        notes = (note, *notes)
    return Category(folder.name, train, validation=validation, notes=notes)


def not_read(folder: Path, read: Sequence[str]) -> tuple[str, ...]:
    """The note on the folders in `folder` other than those that are read."""
    others = [inside.name for inside in folders(folder) if inside.name not in read]
    return (f"{folder}: not read: {', '.join(others)}",) if others else ()
