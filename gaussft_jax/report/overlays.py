"""Photographs with the anomaly map or the outline of the mask drawn over them."""

from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageFilter
from tqdm import tqdm

from gaussft_jax.evaluation import Scored

__all__ = ["COLOURS", "coloured", "heatmap_overlay", "map_range", "mask_outline", "write_overlays"]

COLOURS = "inferno"
_OPACITY = 0.8  # at the top of the scale, so that the part still shows through
_LINE, _EDGE = (0, 229, 255), (0, 0, 0)  # a bright line in a dark edge shows on any surface


def map_range(scored: Scored) -> tuple[float, float]:
    """Smallest and largest value of all maps, distance: the category's common scale (Figure 3)."""
    return float(scored.maps.min()), float(scored.maps.max())


def heatmap_overlay(
    image: UInt8[np.ndarray, "s s 3"], map: Float32[np.ndarray, "s s"], low: float, high: float
) -> UInt8[np.ndarray, "s s 3"]:
    """Photograph under its anomaly map: the hotter a pixel, the more of the map's colour covers it.

    Args:
        image: photograph, uint8 [s s 3].
        map: anomaly map, float32 [s s], distance.
        low: distance at the cold end of the scale (the photograph, unchanged).
        high: distance at the hot end; values past either end take its colour.

    Returns:
        uint8 [s s 3].
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
    folder: str | PathLike[str], images: UInt8[np.ndarray, "n s s 3"], scored: Scored
) -> None:
    """Write `folder/defect/stem.png` for every image: photograph, mask outline, heatmap in a row.

    The heatmaps share one scale, from the smallest to the largest value of all maps (Figure 3).
    Without masks the middle panel is left out.

    Args:
        folder: where the PNG files go; created if missing.
        images: photographs, uint8 [n s s 3], in the order of `scored`.
        scored: names, maps and masks of the images.
    """
    low, high = map_range(scored)
    masks = [None] * len(images) if scored.masks is None else scored.masks
    rows = zip(scored.names, images, scored.maps, masks, strict=True)

    def write(name, image, map, mask):
        panels = [image] if mask is None else [image, mask_outline(image, mask)]
        row = np.concatenate([*panels, heatmap_overlay(image, map, low, high)], axis=1)
        path = Path(folder, name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row).save(path)

    # On threads, since Pillow compresses without Python's lock.
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda row: write(*row), rows)
        for _ in tqdm(done, "overlays", len(images), unit="image", leave=False):
            pass


def _heat(map, low, high):
    return np.clip((map - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)


def _dilated(mask: Bool[np.ndarray, "s s"], radius: int) -> Bool[np.ndarray, "s s"]:
    widest = ImageFilter.MaxFilter(2 * radius + 1)
    return np.asarray(Image.fromarray(mask).convert("L").filter(widest)) > 0
