"""Photographs with the anomaly map or the outline of the mask drawn over them."""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Integer, UInt8
from PIL import Image, ImageFilter
from tqdm import tqdm

from gaussft_jax.evaluation import Scored
from gaussft_jax.files import file_name, replacing

__all__ = [
    "COLOURS",
    "OVERLAYS",
    "coloured",
    "heatmap_overlay",
    "map_range",
    "mask_outline",
    "overlay_paths",
    "write_overlays",
]

COLOURS = "inferno"
OVERLAYS = 1000  # that `write_overlays` writes at most
_OPACITY = 0.8  # at the top of the scale, so that the part still shows through
_LINE, _EDGE = (0, 229, 255), (0, 0, 0)  # a bright line in a dark edge shows on any surface


def map_range(scored: Scored) -> tuple[float, float]:
    """Smallest and largest value of all maps, distance: the category's common scale (Figure 3)."""
    return float(scored.maps.min()), float(scored.maps.max())


def heatmap_overlay(
    image: UInt8[np.ndarray, "h w 3"], map: Float32[np.ndarray, "h w"], low: float, high: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Photograph under its anomaly map: the hotter a pixel, the more of the map's colour covers it.

    Args:
        image: photograph, uint8 [h w 3].
        map: anomaly map, float32 [h w], distance.
        low: distance at the cold end of the scale (the photograph, unchanged).
        high: distance at the hot end; values past either end take its colour.

    Returns:
        uint8 [h w 3].
    """
    alpha = _OPACITY * _heat(map, low, high)[..., None] ** 1.5
    return np.rint((1 - alpha) * image + alpha * coloured(map, low, high)).astype(np.uint8)


def coloured(
    map: Float32[np.ndarray, "h w"], low: float, high: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of a map on the scale from `low` to `high`, uint8 [h w 3]."""
    from matplotlib import colormaps

    return colormaps[COLOURS](_heat(map, low, high), bytes=True)[..., :3]


def mask_outline(
    image: UInt8[np.ndarray, "s s 3"], mask: Bool[np.ndarray, "s s"]
) -> UInt8[np.ndarray, "s s 3"]:
    """Photograph with a line drawn around the defective pixels, which stay as they are.

    Args:
        image: photograph, uint8 [s s 3].
        mask: defective pixels, bool [s s].

    Returns:
        uint8 [s s 3].
    """
    line = _dilated(mask, max(1, len(image) // 110))
    edge = _dilated(line, max(1, len(image) // 220))
    outlined = image.copy()
    outlined[edge & ~line] = _EDGE
    outlined[line & ~mask] = _LINE
    return outlined


def write_overlays(
    folder: str | os.PathLike[str],
    images: UInt8[np.ndarray, "n s s 3"],
    scored: Scored,
    first: Integer[np.ndarray, " k"] | Sequence[int] = (),
) -> None:
    """Write `folder/defect/stem.png` for each image: photograph, mask outline, heatmap in a row.

    The heatmaps share one scale, from the smallest to the largest value of all maps (Figure 3).
    Without masks the middle panel is left out. Of more than OVERLAYS images the others are left
    out, and a line says so. An image named like an earlier one keeps its suffix, as
    `defect/stem.jpg.png`.

    Args:
        folder: where the PNG files go; created if missing.
        images: photographs, uint8 [n s s 3], in the order of `scored`.
        scored: names, maps and masks of the images.
        first: the images that go before the others where not all are written.

    Raises:
        ValueError: a link in the folder leads out of it.
    """
    folder = Path(folder)
    low, high = map_range(scored)
    paths = overlay_paths(scored.names)
    chosen = list(dict.fromkeys([*map(int, first), *range(len(images))]))[:OVERLAYS]
    for parent in {(folder / paths[i]).parent for i in chosen}:
        if not Path(os.path.realpath(parent)).is_relative_to(os.path.realpath(folder)):
            raise ValueError(f"{parent} leads out of {folder}: remove the link")

    def write(i):
        panels = [images[i]]
        if scored.masks is not None:
            panels.append(mask_outline(images[i], scored.masks[i]))
        panels.append(heatmap_overlay(images[i], scored.maps[i], low, high))
        with replacing(folder / paths[i]) as beside:
            Image.fromarray(np.concatenate(panels, axis=1)).save(beside, "PNG")

    # On threads, since Pillow compresses without Python's lock.
    with ThreadPoolExecutor() as pool:
        done = pool.map(write, chosen)
        for _ in tqdm(done, "overlays", len(chosen), unit="image", leave=False):
            pass
    if left_out := len(images) - len(chosen):
        print(f"overlays: of {len(chosen)} images; {left_out} are left out")


def overlay_paths(names: Sequence[str]) -> list[Path]:
    """Where in its folder the overlay of each image goes, no two to one place."""
    taken, paths = set(), []
    for name in names:
        path = next(path for path in _candidates(name) if str(path).casefold() not in taken)
        taken.add(str(path).casefold())  # some file systems take no notice of case
        paths.append(path)
    return paths


def _candidates(name: str) -> Iterator[Path]:
    path = Path(*(file_name(part) for part in name.split("/", 1)))
    yield path.with_suffix(".png")
    yield path.with_name(f"{path.name}.png")
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}_{number}.png")


def _heat(map, low, high):
    with np.errstate(over="ignore"):  # where both are one, all that is above is 1
        return np.clip((map - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)


def _dilated(mask: Bool[np.ndarray, "s s"], radius: int) -> Bool[np.ndarray, "s s"]:
    widest = ImageFilter.MaxFilter(2 * radius + 1)
    return np.asarray(Image.fromarray(mask).convert("L").filter(widest)) > 0
