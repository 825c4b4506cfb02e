"""Photographs and masks as square arrays, whatever their format."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gaussft_jax.data.category import ImageFile, TestImage
from gaussft_jax.data.image_cache import cached

__all__ = [
    "ImageError",
    "pixel_count",
    "read_full_mask",
    "read_full_masks",
    "read_image",
    "read_images",
    "read_mask",
    "read_mask_value",
    "read_masks",
    "read_photograph",
]

# The one resampler of fit, tune and predict: Pillow widens its triangle when it shrinks an image.
RESAMPLER = Image.Resampling.BILINEAR

# Nothing else is tried, whatever the file is called: some of Pillow's readers start programs.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


class ImageError(ValueError):
    """An image or mask that cannot be used; the message names the file and the reason."""


def read_image(path: ImageFile, size: int) -> UInt8[np.ndarray, "s s 3"]:
    """The photograph in RGB, resized once to `size` x `size` pixels, bilinear, without a crop.

    Args:
        path: as for `read_photograph`.
        size: side of the result, pixels.

    Returns:
        uint8 [s s 3].

    Raises:
        ImageError: as from `read_photograph`.
    """
    return np.array(_photograph(path).resize((size, size), RESAMPLER))


def read_photograph(path: ImageFile) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph in RGB, as large as it is.

    Grey becomes three equal channels, transparency lies over black, EXIF orientation is applied,
    16-bit grey is scaled by 255/65535 (of 16-bit colour, Pillow keeps the high byte); of a file
    with several pages the first counts.

    Args:
        path: a png, jpg, bmp, tif or webp file.

    Returns:
        uint8 [h w 3].

    Raises:
        ImageError: the file is missing, broken, no such image, or of a pixel type without a white.
    """
    return np.array(_photograph(path))


def pixel_count(path: ImageFile) -> int:
    """How many pixels `read_photograph` would decode, by the header alone.

    Raises:
        ImageError: as from `read_photograph`, as far as the header tells.
    """
    with _opened(path) as image:
        return image.width * image.height


def _photograph(path: ImageFile) -> Image.Image:
    image = _decode(path)
    return _rgb(_eight_bits(image, path) if image.mode.startswith("I") else image, path)


def read_images(
    paths: Sequence[ImageFile | str], size: int, *, progress: bool | str = True
) -> UInt8[np.ndarray, "n s s 3"]:
    """The photographs, in the order of `paths`, each as `read_image` gives it, once decoded.

    They are kept for the next time (`image_cache`).

    Args:
        paths: the files.
        size: side of the result, pixels.
        progress: show a bar; a text stands in front of it.

    Returns:
        uint8 [n s s 3].

    Raises:
        ImageError: the first broken file.
        TypeError: `paths` is one path.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"{paths} is one path: give a list of files, as from list_images(FOLDER)")
    paths = [Path(path) if isinstance(path, str) else path for path in paths]

    def read():
        images = np.empty((len(paths), size, size, 3), np.uint8)
        fill(images, lambda i: read_image(paths[i], size), progress)
        return images

    return cached(paths, size, read)


def read_mask(path: ImageFile, size: int | None, of: ImageFile) -> Bool[np.ndarray, "h w"]:
    """Where the mask marks a defect: every pixel above 0, after nearest-neighbour resizing.

    Args:
        path: the mask.
        size: side of the result, pixels; None leaves it as large as it is.
        of: the photograph that it belongs to.

    Returns:
        bool [s s], or [h w] of the photograph.

    Raises:
        ImageError: the mask cannot be read, or its size in pixels is not that of its photograph.
    """
    marked = read_full_mask(path)
    height, width = marked.shape
    if (width, height) != (expected := _oriented_size(of)):
        raise ImageError(
            f"{path} is {width} x {height} pixels, but its image {of} is"
            f" {expected[0]} x {expected[1]}: a mask needs the size of its image"
        )
    if size is None:
        return marked
    nearest = Image.fromarray(marked).resize((size, size), Image.Resampling.NEAREST)
    return np.array(nearest)


def read_full_mask(path: ImageFile) -> Bool[np.ndarray, "h w"]:
    """Where the mask marks a defect, every pixel above 0, as large as it is.

    Args:
        path: the mask.

    Returns:
        bool [h w].

    Raises:
        ImageError: the mask cannot be read.
    """
    mask = _decode(path)
    # Values of more than 8 bits are compared as they are: scaled first, a faint label would vanish.
    if mask.mode.startswith(("I", "F")):
        return np.asarray(mask) > 0
    return np.asarray(_rgb(mask, path)).any(axis=-1)


def read_mask_value(path: ImageFile) -> int:
    """The largest pixel value of a mask, which may say of which defect it is.

    Raises:
        ImageError: the mask cannot be read.
    """
    return int(np.asarray(_decode(path)).max())


def read_masks(tests: Sequence[TestImage], size: int) -> Bool[np.ndarray, "n s s"] | None:
    """The masks of the test images, good ones all False; None where a defective image has none.

    Of an image with several masks it is their union.

    Args:
        tests: test images, as `read_category` gives them.
        size: side of the result, pixels.

    Returns:
        bool [n s s] or None.

    Raises:
        ImageError: the first mask that `read_mask` refuses.
    """
    if any(test.mask is None and test.defective for test in tests):
        return None
    masks = np.zeros((len(tests), size, size), bool)
    fill(masks, lambda i: _union(tests[i], size), progress=False)
    return masks


def read_full_masks(tests: Sequence[TestImage]) -> tuple[Bool[np.ndarray, "_ _"], ...] | None:
    """As `read_masks`, each mask as large as its photograph, bool [h w]."""
    if any(test.mask is None and test.defective for test in tests):
        return None

    def mask(test: TestImage) -> Bool[np.ndarray, "h w"]:
        return _union(test, None) if test.masks else np.zeros(_oriented_size(test.path)[::-1], bool)

    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(mask, tests))


def _union(test: TestImage, size: int | None) -> np.ndarray | bool:
    """All masks of a test image in one; False without."""
    found = [read_mask(path, size, test.path) for path in test.masks]
    return np.logical_or.reduce(found) if found else False


def fill(array: np.ndarray, read: Callable[[int], np.ndarray | bool], progress: bool | str) -> None:
    """Writes read(i) to array[i], on threads, since Pillow decodes without Python's lock."""

    def write(i: int) -> None:
        array[i] = read(i)

    text = progress if isinstance(progress, str) else None
    with ThreadPoolExecutor() as pool:
        done = pool.map(write, range(len(array)))
        for _ in tqdm(done, text, len(array), unit="image", disable=not progress):
            pass


@contextmanager
def _opened(path: ImageFile) -> Iterator[Image.Image]:
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            yield image
    except Exception as error:  # on broken files decoders raise nearly anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"not an image in {', '.join(FORMATS)}"
        raise ImageError(f"{path}: {reason}; replace or remove the file") from error


def _decode(path: ImageFile) -> Image.Image:
    with _opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return image


def _oriented_size(path: ImageFile) -> tuple[int, int]:
    """Width and height after EXIF orientation; pixels are decoded only where it may lie behind."""
    with _opened(path) as image:
        in_front = image.format == "PNG" and not _told_behind_pixels(path)
        # Of a PNG without EXIF in front of its pixels, its own `getexif` decodes them all.
        exif = Image.Image.getexif(image) if in_front else image.getexif()
        turned = exif.get(ExifTags.Base.Orientation, 1) >= 5
        # Pillow has already swapped the sides of a turned TIFF.
        return image.size[::-1] if turned and image.format != "TIFF" else image.size


def _told_behind_pixels(path: ImageFile) -> bool:
    """Whether a PNG has anything that may name an orientation behind its pixels."""
    pixels = False
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            kind = head[4:]
            if pixels and kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
                return True
            pixels |= kind == b"IDAT"
            file.seek(int.from_bytes(head[:4]) + 4, 1)  # and its checksum
    return False


def _eight_bits(image: Image.Image, path: ImageFile) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{path}: values outside 0..65535; save it with 8 or 16 bits per channel")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 257 = 65535 / 255


def _rgb(image: Image.Image, path: ImageFile) -> Image.Image:
    if image.mode == "F":
        raise ImageError(
            f"{path}: floating-point pixels, which do not say what is white;"
            " save it with 8 or 16 bits per channel"
        )
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    black = Image.new("RGB", image.size)
    black.paste(image, mask=image)
    return black
