"""Folders of images: what is listed, what is skipped, and which mask belongs to which image."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from gaussft_jax.data.category import GOOD, ImageFile, TestImage

__all__ = [
    "folders",
    "images_in",
    "is_image",
    "labelled",
    "list_images",
    "masked",
    "read_test",
    "skipped",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

Mask = ImageFile | tuple[ImageFile, ...] | None


def list_images(folder: str | Path, recursive: bool = False) -> tuple[Path, ...]:
    """The images of a folder, sorted by name; hidden files and folders are ignored.

    Args:
        folder: to look into.
        recursive: look into its folders as well, and theirs.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: check the path")
    images = images_in(folder, recursive)
    if not images:
        raise ValueError(f"{folder} holds no image: put {' '.join(SUFFIXES)} files there")
    return images


def images_in(folder: Path, recursive: bool = False) -> tuple[Path, ...]:
    """As `list_images`, of a folder that is there and may hold no image."""
    return tuple(path for path in _files(folder, recursive) if is_image(path))


def is_image(path: Path) -> bool:
    """Whether a file is called like an image."""
    return path.suffix.lower() in SUFFIXES


def skipped(folder: str | Path, recursive: bool = False) -> str:
    """What `list_images` leaves out of a folder, `3 files skipped: 2 .txt, 1 .gif`; or nothing."""
    folder = Path(folder)
    kinds = Counter(
        path.suffix.lower() or "without a suffix"
        for path in _files(folder, recursive)
        if not is_image(path)
    )
    parts = []
    if kinds:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        parts.append(f"{_count(kinds.total(), 'file')} skipped: {counts}")
    if not recursive and (inner := folders(folder)):
        parts.append(f"{_count(len(inner), 'folder')} not looked into: use --recursive")
    return "; ".join(parts)


def folders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted by name."""
    return sorted((path for path in _visible(folder) if path.is_dir()), key=lambda path: path.name)


def read_test(
    folder: str | Path,
    truth: str | Path | None = None,
    *,
    good: str = GOOD,
    read: Callable[[Path, str, Path], tuple[TestImage, ...]] | None = None,
) -> tuple[TestImage, ...]:
    """The labelled images of `folder/<label>`, with the masks of `truth/<label>`.

    Args:
        folder: `test` of a category, or any folder of folders.
        truth: folder of the masks; None for `folder/../ground_truth`.
        good: name of the folder of those without defects.
        read: gives the images of a folder, their label and the folder of their masks; `labelled`.

    Returns:
        The images sorted by label, then by file name.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no folder, one of them holds no image, or an image lacks its mask though
            others have one, or shares it with another.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one of folders of images")
    truth = folder.parent / "ground_truth" if truth is None else Path(truth)
    labels = [inside for inside in folders(folder) if inside != truth]
    if not labels:
        raise ValueError(
            f"{folder} is empty: put the images into {folder.name}/{good} and "
            f"{folder.name}/<defect>, or remove the folder if there is nothing to test on"
        )
    tests = []
    for inside in labels:
        label = GOOD if inside.name == good else inside.name
        tests += (read or labelled)(inside, label, truth / inside.name)
    return tuple(sorted(tests, key=lambda test: test.label))


def labelled(folder: Path, label: str, truth: Path) -> tuple[TestImage, ...]:
    """The images of a folder under their label, with masks `truth/<stem>_mask.png` or `<stem>.png`.

    Those of good images and of a missing `truth` are None.

    Raises:
        FileNotFoundError, ValueError: as from `list_images` and `masked`.
    """
    images = list_images(folder)
    if label == GOOD or not truth.is_dir():
        return tuple(TestImage(path, label, None) for path in images)
    masks = {path.stem: path for path in list_images(truth)}
    return masked(
        images,
        label,
        lambda path: masks.get(f"{path.stem}_mask") or masks.get(path.stem),
        truth,
        "add {stem}_mask.png or {stem}.png there, or remove the folder to go without masks",
    )


def masked(
    images: Sequence[Path], label: str, mask_of: Callable[[Path], Mask], truth: Path, remedy: str
) -> tuple[TestImage, ...]:
    """The images with their masks, of which none may be missing or belong to two of them.

    Args:
        images: files.
        label: of all of them.
        mask_of: gives the mask of an image, or None.
        truth: where the masks lie.
        remedy: what to do where one is missing; `{stem}` is that of the image.

    Raises:
        ValueError: an image lacks its mask, or shares it with another; the first is named.
    """
    tests = tuple(TestImage(path, label, mask_of(path)) for path in images)
    lacking = [test.path for test in tests if test.mask is None]
    if lacking:
        raise ValueError(
            f"{truth} lacks the masks of {len(lacking)} of {len(images)} images, first"
            f" {lacking[0]}: {remedy.format(stem=lacking[0].stem)}"
        )
    first: dict[ImageFile, ImageFile] = {}
    for test in tests:
        for mask in test.masks:
            if (other := first.setdefault(mask, test.path)) != test.path:
                raise ValueError(
                    f"{other} and {test.path} are named alike and share the mask {mask}: "
                    "rename one of the two, and give each its mask"
                )
    return tests


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _files(folder: Path, recursive: bool) -> list[Path]:
    """Visible files, sorted by name, those of a folder before those of its folders."""
    files = sorted((path for path in _visible(folder) if path.is_file()), key=lambda x: x.name)
    inner = folders(folder) if recursive else []
    return [*files, *(path for below in inner for path in _files(below, recursive))]


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
