"""The scored test images of one fold: what metrics, figures and the report are made from."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from gaussft_jax.data import GOOD, Region
from gaussft_jax.evaluation.roc import Undefined
from gaussft_jax.files import replacing, write_csv

__all__ = ["Scored", "read_level_maps", "read_scored", "write_level_maps", "write_scored"]


class Scored(NamedTuple):
    """Test images with their scores and anomaly maps, in the order of `data.Category.test`.

    Attributes:
        names: `defect/file` of each image, [n].
        labels: `good`, or the name of the defect (its folder), [n].
        scores: image scores, float [n], distance (`gaussian.image_score`).
        maps: anomaly maps, distance, float32 [n s s], or n maps [h w] of any sizes.
        masks: defective pixels, bool of the same shapes (all False for good images); None without
            masks.
        regions: of each image, as `data.read_regions` gives them; None where the data have none.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    maps: np.ndarray | Sequence[np.ndarray]
    masks: np.ndarray | Sequence[np.ndarray] | None
    regions: tuple[tuple[Region, ...], ...] | None = None

    @property
    def defective(self) -> np.ndarray:
        """Whether an image has any defect, bool [n]."""
        return np.array([label != GOOD for label in self.labels])

    @property
    def known_masks(self) -> np.ndarray | Sequence[np.ndarray]:
        """The masks, without which a figure is Undefined."""
        if self.masks is None:
            raise Undefined("no masks")
        return self.masks


def write_scored(folder: Path, scored: Scored, maps: bool = True) -> None:
    """Write scores.csv (image, label, score) and, if wanted, maps.npy into `folder`."""
    rows = zip(scored.names, scored.labels, scored.scores.tolist(), strict=True)
    write_csv(folder / "scores.csv", [("image", "label", "score"), *rows])
    if maps:
        array = np.ascontiguousarray(scored.maps)
        with replacing(folder / "maps.npy") as path, path.open("wb") as file:
            # As np.save, which hides from a full disk's error what was wrong.
            header = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(file, header)
            file.write(array.data)


def read_scored(folder: Path, masks: Bool[np.ndarray, "n s s"] | None) -> Scored:
    """What `write_scored` left in `folder`, with the masks, which it does not keep.

    The maps stay on disk; what is looked at comes into memory.
    """
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names, labels = (tuple(row[field] for row in rows) for field in ("image", "label"))
    scores = np.array([float(row["score"]) for row in rows], np.float32)
    maps = np.load(folder / "maps.npy", mmap_mode="r").view(np.ndarray)
    return Scored(names, labels, scores, maps, masks)


def write_level_maps(
    folder: Path,
    chosen: Integer[np.ndarray, " k"],
    maps: Sequence[Float[np.ndarray, "k _h _w"]],
) -> None:
    """Write the distances of each level in the chosen images into `folder` as levels.npz."""
    with replacing(folder / "levels.npz") as path, path.open("wb") as file:
        np.savez(file, chosen=chosen, **{f"level{i}": level for i, level in enumerate(maps)})


def read_level_maps(folder: Path) -> dict[int, list[Float[np.ndarray, "_h _w"]]]:
    """What `write_level_maps` left in `folder`, a map per level by image; empty without."""
    path = folder / "levels.npz"
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        levels = [arrays[f"level{i}"] for i in range(len(arrays) - 1)]
        return {i: list(maps) for i, *maps in zip(arrays["chosen"].tolist(), *levels, strict=True)}
