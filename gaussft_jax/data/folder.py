"""Image folders: a category in the MVTec AD layout, or a flat folder."""

from pathlib import Path
from typing import IO, NamedTuple, Protocol, runtime_checkable

__all__ = [
    "GOOD",
    "Category",
    "ImageFile",
    "TestImage",
    "categories",
    "list_images",
    "read_category",
    "read_test",
]

GOOD = "good"  # the label of images without defects, and their folder

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@runtime_checkable
class ImageFile(Protocol):
    """Where an encoded image lies: a `Path`, or a place inside a larger file; prints as such."""

    @property
    def name(self) -> str:
        """The file's own name."""

    def open(self, mode: str) -> IO[bytes]:
        """The file, to read from."""


class TestImage(NamedTuple):
    """A test image, its label (GOOD or the name of its defect) and, where known, its mask."""

    __test__ = False  # the name starts with Test: pytest would collect it wherever it is imported

    path: ImageFile
    label: str
    mask: ImageFile | None

    @property
    def name(self) -> str:
        """`label/file`."""
        return f"{self.label}/{self.path.name}"

    @property
    def defective(self) -> bool:
        """Whether it shows a defect."""
        return self.label != GOOD


class Category(NamedTuple):
    """The files of one category; `test` is empty where the category has no test folder."""

    name: str
    train: tuple[ImageFile, ...]
    test: tuple[TestImage, ...]


def categories(root: str | Path) -> tuple[str, ...]:
    """The sorted names of the folders in `root` that have train/good in them."""
    return tuple(
        folder.name for folder in _folders(Path(root)) if (folder / "train" / GOOD).is_dir()
    )


def read_category(root: str | Path, category: str) -> Category:
    """The sorted images and masks of `root/category`.

    The layout is MVTec AD's: `train/good`, `test/<defect>` (one of them may be `good`) and
    `ground_truth/<defect>/<stem>_mask.png` or `<stem>.png`; png, jpg, jpeg, bmp, tif and tiff in
    either case; hidden files are ignored. `test` may be missing, and so may `ground_truth` or any
    folder of it: those masks are None.

    Args:
        root: folder of categories.
        category: name of the category's folder.

    Returns:
        Its training images, and its test images sorted by label, then by file name.

    Raises:
        FileNotFoundError: a folder is missing: root, category or `train/good`.
        ValueError: a folder holds no image, or an image lacks its mask though others have one.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} is not a folder: give the folder that holds the categories"
        )
    folder = root / category
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{root} has no category {category!r}; it has "
            + (", ".join(categories(root)) or "none: a category is a folder with train/good in it")
        )
    train = list_images(folder / "train" / GOOD)
    if not (folder / "test").exists():
        return Category(category, train, ())
    return Category(category, train, read_test(folder / "test"))


def read_test(folder: str | Path) -> tuple[TestImage, ...]:
    """The labelled images of `folder/<label>`, with the masks of `folder/../ground_truth/<label>`.

    Args:
        folder: `test` of a category, or any folder of folders; `good` is the label without defects.

    Returns:
        The images sorted by label, then by file name; masks as in `read_category`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no folder, one of them holds no image, or an image lacks its mask though
            others have one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one of folders of images")
    labels = _folders(folder)
    if not labels:
        raise ValueError(
            f"{folder} is empty: put the images into {folder.name}/good and {folder.name}/<defect>,"
            " or remove the folder if there is nothing to test on"
        )
    truth = folder.parent / "ground_truth"
    return tuple(image for label in labels for image in _test_images(label, truth / label.name))


def list_images(folder: str | Path) -> tuple[Path, ...]:
    """The images of one folder, sorted by file name; hidden files and sub-folders are ignored.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: put the images there")
    images = sorted(
        (path for path in _visible(folder) if path.suffix.lower() in SUFFIXES and path.is_file()),
        key=lambda path: path.name,
    )
    if not images:
        raise ValueError(f"{folder} holds no image: put {' '.join(SUFFIXES)} files there")
    return tuple(images)


def _test_images(folder: Path, truth: Path) -> list[TestImage]:
    images, label = list_images(folder), folder.name
    if label == GOOD or not truth.is_dir():
        return [TestImage(path, label, None) for path in images]
    masks = {path.stem: path for path in list_images(truth)}
    pairs = [(path, masks.get(f"{path.stem}_mask") or masks.get(path.stem)) for path in images]
    lacking = [path for path, mask in pairs if mask is None]
    if lacking:
        stem = lacking[0].stem
        raise ValueError(
            f"{truth} lacks the masks of {len(lacking)} of {len(images)} images, first"
            f" {lacking[0]}: add {stem}_mask.png or {stem}.png there, or remove the folder"
            " to go without masks"
        )
    return [TestImage(path, label, mask) for path, mask in pairs]


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in _visible(folder) if path.is_dir()), key=lambda path: path.name)


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
