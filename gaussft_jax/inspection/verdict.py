"""What is said and drawn of a judged image, as large as its photograph."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from gaussft_jax.detector import map_at
from gaussft_jax.report import heatmap_overlay

__all__ = ["Verdict", "verdict"]

_ROWS = 256  # that are drawn at once: colours are large, as float32


class Verdict(NamedTuple):
    """An image judged.

    Attributes:
        said: `score` and, of a calibrated detector, `p_value`, `decision` and, of a defective
            image, `regions` and perhaps a `note`; ready for JSON.
        distances: the anomaly map, float32 [h w].
        mask: where the distance is above the threshold, bool [h w]; None of a good image.
        photograph: that was judged, uint8 [h w 3].
        high: distance at the hot end of the heatmap.
    """

    said: dict[str, Any]
    distances: Float32[np.ndarray, "h w"]
    mask: Bool[np.ndarray, "h w"] | None
    photograph: UInt8[np.ndarray, "h w 3"]
    high: float

    @property
    def heatmap(self) -> UInt8[np.ndarray, "h w 3"]:
        """The photograph under the map, uint8 [h w 3], drawn when it is asked for."""
        rows = (slice(i, i + _ROWS) for i in range(0, len(self.photograph), _ROWS))
        return np.concatenate(
            [heatmap_overlay(self.photograph[i], self.distances[i], 0.0, self.high) for i in rows]
        )


def verdict(
    photograph: UInt8[np.ndarray, "h w 3"],
    score: float,
    map: Float32[np.ndarray, "s s"],
    high: float,
    p_value: float | None = None,
    alpha: float | None = None,
    threshold: float | None = None,
) -> Verdict:
    """What a detector's score and map say of a photograph.

    Args:
        photograph: uint8 [h w 3].
        score: distance.
        map: of the photograph resized to a square, distance, float32 [s s].
        high: distance at the hot end of the heatmap.
        p_value: None without calibration, as are the others.
        alpha: p-values up to it are called defective.
        threshold: distance above which a pixel of a defective image is marked.
    """
    distances = map_at(map, *photograph.shape[:2])
    said: dict[str, Any] = {"score": score}
    mask = None
    if p_value is not None:
        defective = p_value <= alpha
        said |= {"p_value": p_value, "decision": "defective" if defective else "good"}
        if defective:
            mask = distances > threshold
            said["regions"] = _regions(mask, distances)
            if not said["regions"]:
                said["note"] = "no pixel is above the threshold, the image as a whole is unusual"
    return Verdict(said, distances, mask, photograph, high)


def _regions(
    mask: Bool[np.ndarray, "h w"], distances: Float32[np.ndarray, "h w"]
) -> list[dict[str, Any]]:
    """Connected pixels of a mask, diagonals too, the most anomalous first.

    `box` is left, top, right, bottom, pixels, the last two behind the region; `area` counts pixels,
    `peak` is the largest distance.
    """
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        return []
    numbers = range(1, count + 1)
    found = zip(
        ndimage.find_objects(labels),
        np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist(),
        ndimage.maximum(distances, labels, numbers),
        strict=True,
    )
    regions = [
        {
            "box": [columns.start, rows.start, columns.stop, rows.stop],
            "area": area,
            "peak": float(peak),
        }
        for (rows, columns), area, peak in found
    ]
    return sorted(regions, key=lambda region: -region["peak"])
