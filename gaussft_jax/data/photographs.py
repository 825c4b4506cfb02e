"""The built-in data set: real photographs of brick, gravel and grass, with defects drawn on."""

import tempfile
from pathlib import Path

import numpy as np
import skimage
from jaxtyping import UInt8
from PIL import Image

from gaussft_jax.data.defects import DEFECTS
from gaussft_jax.files import read_json, write_json

__all__ = ["PHOTOGRAPHS", "write_photographs"]

PHOTOGRAPHS = ("brick", "grass", "gravel")
VERSION = 1  # raised whenever the images change, so that older folders are not taken for new ones
CROP = 128
TRAIN = 70
GOOD = 20
DEFECTIVE = 10  # per defect

# Each photograph is 512 x 512. Test crops come from the 192 columns in the middle, training crops
# from the 160 columns on either side: they share no pixel, and since the bricks lean left on one
# side and right on the other, what is tested lies within what was trained.
TRAIN_STRIPS = (slice(0, 160), slice(352, 512))
TEST_STRIPS = (slice(160, 352),)


def write_photographs(root: str | Path, category: str = "brick", *, seed: int = 0) -> Path:
    """The folder `root/category` in the MVTec AD layout, written unless it is already there.

    70 crops of 128 x 128 pixels in train/good, 20 in test/good, and 10 for each of hole,
    misplaced_patch, scratch and stain, with masks. The photographs (512 x 512, grey, CC0)
    come with scikit-image; nothing is downloaded. Brick is regular, so that defects stand
    out; in grass and gravel they hide in the texture. The folder appears only when complete.

    Args:
        root: folder of categories; made if missing.
        category: one of PHOTOGRAPHS.
        seed: of the crops and defects; the same seed gives the same images.

    Returns:
        `root/category`.

    Raises:
        ValueError: there is no such photograph, or `root/category` holds something else.
    """
    if category not in PHOTOGRAPHS:
        raise ValueError(f"no photograph {category!r}; there are {', '.join(PHOTOGRAPHS)}")
    folder = Path(root) / category
    origin = {"photograph": f"skimage.data.{category}", "seed": seed, "version": VERSION}
    if folder.exists():
        return _same(folder, origin)
    Path(root).mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that an interrupted run leaves no half of a data set.
    with tempfile.TemporaryDirectory(prefix=f".{category}-", dir=root) as beside:
        _write(Path(beside, category), getattr(skimage.data, category)(), origin)
        try:
            Path(beside, category).rename(folder)
        except OSError:  # another run was quicker
            return _same(folder, origin)
    return folder


def _same(folder: Path, origin: dict[str, str | int]) -> Path:
    file = folder / "origin.json"
    found = read_json(file) if file.exists() else "nothing"
    if found != origin:
        raise ValueError(
            f"{folder} is in the way: its origin.json says {found}, wanted {origin};"
            " remove the folder or choose another root"
        )
    return folder


def _write(
    folder: Path, photograph: UInt8[np.ndarray, "512 512"], origin: dict[str, str | int]
) -> None:
    rng = np.random.default_rng((origin["seed"], PHOTOGRAPHS.index(folder.name)))
    for i in range(TRAIN):
        _save(_crop(photograph, TRAIN_STRIPS, rng), folder / "train" / "good" / f"{i:03d}.png")
    for i in range(GOOD):
        _save(_crop(photograph, TEST_STRIPS, rng), folder / "test" / "good" / f"{i:03d}.png")
    for label, draw in DEFECTS.items():
        for i in range(DEFECTIVE):
            image, mask = draw(_crop(photograph, TEST_STRIPS, rng), rng)
            _save(image, folder / "test" / label / f"{i:03d}.png")
            _save(mask, folder / "ground_truth" / label / f"{i:03d}_mask.png")
    write_json(folder / "origin.json", origin)


def _crop(
    photograph: UInt8[np.ndarray, "h w"], strips: tuple[slice, ...], rng: np.random.Generator
) -> UInt8[np.ndarray, "128 128"]:
    strip = photograph[:, strips[rng.integers(len(strips))]]
    top, left = rng.integers(np.array(strip.shape) - CROP, endpoint=True)
    return strip[top : top + CROP, left : left + CROP]


def _save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
