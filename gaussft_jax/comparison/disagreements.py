"""Where two runs disagree most: the images, with the heatmaps that the runs left or make again."""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image

from gaussft_jax.comparison.comparison import Comparison, aligned
from gaussft_jax.comparison.runs import Run
from gaussft_jax.data import ImageError, ImageFile, read_category, read_image, read_labelled
from gaussft_jax.detector import Detector
from gaussft_jax.report import data_uri, heatmap_overlay, overlay_paths

__all__ = ["Disagreement", "Pair", "disagreements", "percentiles"]

_SHOWN = 6  # images of a pair of runs
_PICTURES = 48  # images of a page, about; it stays small enough to be sent


class Disagreement(NamedTuple):
    """An image on which two runs disagree.

    Attributes:
        name: `defect/file`.
        label: `good` or the name of the defect.
        ranks: share of the good images that score lower, in the first run and in the other.
        photograph: data URI; None where it is not found.
        heatmaps: of the first run and of the other, data URIs; None where none was left.
    """

    name: str
    label: str
    ranks: tuple[float, float]
    photograph: str | None
    heatmaps: tuple[str | None, str | None]

    @property
    def missing(self) -> bool:
        """Whether a picture is."""
        return None in (self.photograph, *self.heatmaps)


class Pair(NamedTuple):
    """Two runs of a category and the images on which they disagree, the most first."""

    category: str
    base: str
    run: str
    images: list[Disagreement]


def disagreements(compared: Comparison) -> list[Pair]:
    """The images on which each run disagrees most with the first of its category.

    Those by the difference of `percentiles`; none where that is 0, or where the runs were not
    tested on the same images.

    Args:
        compared: as from `compare`.
    """
    runs = {(run.category, run.name): run for run in compared.runs}
    pairs = [row for row in compared.rows if row.difference and row.difference.verdict]
    most = max(1, min(_SHOWN, _PICTURES // max(1, len(pairs))))
    made = []
    for category, run, base, *_ in pairs:
        images = _most(runs[category, base], runs[category, run], most)
        made.append(Pair(category, base, run, images))
    return made


def percentiles(
    scores: Float[np.ndarray, "f n"], defective: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The share of the good images that score below each image, a tie half, mean over the folds.

    It is free of the unit of the scores, so that different methods may be compared.

    Args:
        scores: image scores of each fold, [f n], distance.
        defective: whether an image has any defect, [n]; one at least has none.
    """
    ranks = []
    for fold in scores:
        good = np.sort(fold[~defective])
        below, upto = (np.searchsorted(good, fold, side) for side in ("left", "right"))
        ranks.append((below + upto) / 2 / len(good))
    return np.mean(ranks, axis=0)


def _most(first: Run, run: Run, most: int) -> list[Disagreement]:
    tested, other = first.tested, aligned(run, first).tested
    ranks = np.stack([percentiles(of.scores, tested.defective) for of in (tested, other)], axis=1)
    apart = np.abs(ranks[:, 1] - ranks[:, 0])
    order = np.argsort(-apart, kind="stable")[:most]
    pictures = [_Pictures(of) for of in (first, run)]
    found = []
    for i in order[apart[order] > 0].tolist():
        name = tested.names[i]
        photographs = [of.photograph(name) for of in pictures]
        heatmaps = [of.heatmap(name) for of in pictures]
        photograph = next((x for x in photographs if x is not None), None)
        uris = [None if x is None else data_uri(x) for x in (photograph, *heatmaps)]
        found.append(
            Disagreement(name, tested.labels[i], tuple(ranks[i].tolist()), uris[0], tuple(uris[1:]))
        )
    return found


class _Pictures:
    """The pictures of a run's test images: overlays and maps, of the first fold, or photographs."""

    def __init__(self, run: Run):
        names = run.tested.names
        self._folder, self._size = run.folder / "overlays", run.results.get("image_size") or 224
        self._overlays = dict(zip(names, overlay_paths(names), strict=True))
        self._files = _photographs(run.results.get("config"))
        self._run, self._place = run, {name: i for i, name in enumerate(names)}
        self._maps = _maps(run.places[0] / "maps.npy", len(names))

    def photograph(self, name: str) -> UInt8[np.ndarray, "h w 3"] | None:
        """The photograph, outlined where an overlay is; None where it is gone."""
        if panels := self._panels(name):
            return panels[-2]
        try:
            return read_image(self._files[name], self._size)
        except (KeyError, ImageError, OSError):
            return None

    def heatmap(self, name: str) -> UInt8[np.ndarray, "h w 3"] | None:
        """The photograph under its map, on the scale of all maps of the run."""
        if panels := self._panels(name):
            return panels[-1]
        photograph = self.photograph(name)
        if photograph is None:
            return None
        if self._maps is None:
            return self._judged(name, photograph)
        map = np.asarray(self._maps[self._place[name]], np.float32)
        picture = np.asarray(Image.fromarray(photograph).resize(map.shape[::-1]))
        return heatmap_overlay(picture, map, *self._range)

    @cached_property
    def _range(self) -> tuple[float, float]:
        return float(self._maps.min()), float(self._maps.max())

    def _judged(
        self, name: str, photograph: UInt8[np.ndarray, "s s 3"]
    ) -> UInt8[np.ndarray, "s s 3"] | None:
        """By the detector of an evaluation, if it still gives the image its score."""
        if self._detector is None:
            return None
        predicted = self._detector.predict(photograph[None])
        score = self._run.tested.scores[0, self._place[name]]
        if not np.isclose(predicted.scores[0], score, rtol=1e-3):  # fitted anew since then
            return None
        calibration, map = self._detector.calibration, predicted.maps[0]
        high = 2 * calibration.peaks.max() if calibration else map.max()
        return heatmap_overlay(photograph, map, 0.0, float(high))

    @cached_property
    def _detector(self) -> Detector | None:
        """The one that was evaluated: around the evaluation, or where results.json says."""
        config = self._run.results.get("config")
        named = config.get("model") if isinstance(config, dict) else None
        for folder in (self._run.places[0].parent, named):
            if isinstance(folder, str | Path) and (Path(folder) / Detector.MARKER).is_file():
                try:
                    detector = Detector.load(folder)
                except (LookupError, TypeError, ValueError, OSError):
                    return None
                return detector if detector.image_size == self._size else None
        return None

    def _panels(self, name: str) -> list[UInt8[np.ndarray, "s s 3"]]:
        """The squares of an overlay: photograph, outline of the mask if there is one, heatmap."""
        try:
            with Image.open(self._folder / self._overlays[name]) as image:
                row = np.asarray(image.convert("RGB"))
        except OSError:
            return []
        side, width = row.shape[:2]
        whole = width in (2 * side, 3 * side)
        return [row[:, i : i + side] for i in range(0, width, side)] if whole else []


def _maps(path: Path, count: int) -> Float32[np.ndarray, "n s s"] | None:
    """The maps that a run kept, from the disk; None where there are none."""
    try:
        maps = np.load(path, mmap_mode="r").view(np.ndarray)
    except (OSError, ValueError):
        return None
    return maps if maps.dtype == np.float32 and maps.ndim == 3 and len(maps) == count else None


def _photographs(config: Any) -> dict[str, ImageFile]:
    """The test images by name, where results.json says they are; empty where they are gone."""
    try:
        category = (
            read_category(**config["data"])
            if "data" in config
            else read_labelled(config["folder"]).category
        )
    except (LookupError, TypeError, ValueError, OSError):
        return {}
    return {test.name: test.path for test in category.test}
