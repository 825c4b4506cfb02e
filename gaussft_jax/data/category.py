"""What every layout is read into: the files of a category, opened only when they are read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import IO, NamedTuple, Protocol, runtime_checkable

__all__ = ["GOOD", "Category", "ImageFile", "Saturation", "TestImage"]

GOOD = "good"  # the label of images without defects, and their folder


@runtime_checkable
class ImageFile(Protocol):
    """Where an encoded image lies: a `Path`, or a place inside a larger file; prints as such."""

    @property
    def name(self) -> str:
        """The file's own name."""

    def open(self, mode: str) -> IO[bytes]:
        """The file, to read from."""


class TestImage(NamedTuple):
    """A test image.

    Attributes:
        path: its file.
        label: GOOD or the name of its defect.
        mask: of its defects; several are united; None where there is none.
        title: its name among those of its label, where it is not that of the file.
    """

    __test__ = False  # the name starts with Test: pytest would collect it wherever it is imported

    path: ImageFile
    label: str
    mask: ImageFile | tuple[ImageFile, ...] | None
    title: str = ""

    @property
    def name(self) -> str:
        """`label/file`."""
        return f"{self.label}/{self.title or self.path.name}"

    @property
    def defective(self) -> bool:
        """Whether it shows a defect."""
        return self.label != GOOD

    @property
    def masks(self) -> tuple[ImageFile, ...]:
        """All its masks, none or one or several."""
        if self.mask is None:
            return ()
        return self.mask if isinstance(self.mask, tuple) else (self.mask,)


class Saturation(NamedTuple):
    """From how much of a region on a defect counts as found (section 4 of the paper, sPRO).

    Attributes:
        defect_name: of the defect, finer than a label.
        pixel_value: by which masks mark it, 1 to 255.
        saturation_threshold: area that suffices, pixels, or a fraction of the region's.
        relative_saturation: whether it is a fraction.
    """

    defect_name: str
    pixel_value: int
    saturation_threshold: float
    relative_saturation: bool


class Category(NamedTuple):
    """The files of one category.

    Attributes:
        name: of its folder or class.
        train: good images to fit on.
        test: labelled images; empty where the category has none.
        validation: good images that the layout sets apart; neither fitted nor tested on.
        unlabelled: further test images, whose labels nobody here knows, by the name of their split.
        saturations: of the masks' pixel values, where several masks an image count each for itself.
        notes: what is set apart, divided or left out, a line each.
    """

    name: str
    train: tuple[ImageFile, ...]
    test: tuple[TestImage, ...] = ()
    validation: tuple[ImageFile, ...] = ()
    unlabelled: Mapping[str, tuple[ImageFile, ...]] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    saturations: Mapping[int, Saturation] = MappingProxyType({})

    @property
    def splits(self) -> dict[str, tuple[ImageFile, ...]]:
        """All images by split: train, validation, test and the unlabelled ones; empty ones too."""
        test = tuple(image.path for image in self.test)
        return {"train": self.train, "validation": self.validation, "test": test, **self.unlabelled}
