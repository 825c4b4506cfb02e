"""Images judged in batches as they come: decoded ahead, finished behind, a few in memory."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8

from gaussft_jax import parallel
from gaussft_jax.data import ImageError, ImageFile, read_image, read_photograph
from gaussft_jax.detector import Detector
from gaussft_jax.inspection.verdict import Verdict, verdict

__all__ = ["Inspected", "Inspector"]

Item, Result = TypeVar("Item"), TypeVar("Result")


class Inspected(NamedTuple):
    """An image and its verdict, or the error that came of it."""

    number: int
    path: ImageFile
    verdict: Verdict | None = None
    error: str | None = None


class Inspector(NamedTuple):
    """A detector and the false-alarm rate at which it decides.

    Attributes:
        detector: fitted.
        alpha: share of good images that may be called defective; None without calibration.
    """

    detector: Detector
    alpha: float | None

    @classmethod
    def load(cls, model: Path, alpha: float | None = None) -> "Inspector":
        """The detector of a folder.

        Args:
            model: the folder.
            alpha: None for 0.01, or the smallest rate that the detector can tell.

        Raises:
            FileNotFoundError: there is no detector.
            ValueError: it cannot be read, is not calibrated, or on too few images for the rate.
        """
        detector = Detector.load(model)
        if detector.calibration:
            alpha = detector.calibration.rate(alpha)  # refuses one too small, before any work
        elif alpha:
            raise ValueError(f"{model} is not calibrated: fit it without --calibrate=none")
        return cls(detector, alpha)

    def inspect(
        self,
        paths: Iterable[ImageFile | None],
        finish: Callable[[Inspected], Result],
        first: int = 0,
    ) -> Iterator[Result]:
        """What `finish` makes of each image, in order.

        Images are decoded ahead and finished behind, on threads, while the devices judge: a few
        batches are in memory at a time. The photograph is decoded again for its verdict: as large
        as it is, few of them are in memory at a time.

        Args:
            paths: the images. None among them says that no other waits: all before it are finished
                before the next is asked for.
            finish: called on threads; what it raises ends the inspection.
            first: number of the first image.
        """
        detector, alpha = self
        batch, workers = parallel.images_per_call(), os.cpu_count() or 1
        # The hot end of all heatmaps; without calibration, the first images give it.
        high = 2 * float(detector.calibration.peaks.max()) if detector.calibration else None
        threshold = detector.pixel_threshold(alpha) if alpha else None

        def finished(inspected, score=None, map=None, p_value=None, high=None):
            if inspected.error is None:
                try:
                    photograph = read_photograph(inspected.path)
                except (ImageError, OSError) as error:  # gone since it was judged
                    inspected = inspected._replace(error=str(error))
                else:
                    drawn = verdict(photograph, score, map, high, p_value, alpha, threshold)
                    inspected = inspected._replace(verdict=drawn)
            return finish(inspected)

        with ThreadPoolExecutor(workers) as readers, ThreadPoolExecutor(workers) as finishers:
            waiting: deque[Future] = deque()
            numbers = itertools.count(first)
            sizes = (
                path and (next(numbers), path, detector.image_size)
                for path in itertools.chain(paths, [None])
            )
            for group, pause in _grouped(_ahead(readers, _read, sizes, 2 * batch), batch):
                images = [image for _, image in group if image is not None]
                rows = iter(())
                if images:
                    predicted = detector.predict(np.stack(images))
                    high = high or float(predicted.maps.max())
                    p_values = predicted.p_values.tolist() if alpha else [None] * len(images)
                    rows = zip(predicted.scores.tolist(), predicted.maps, p_values, strict=True)
                for inspected, image in group:
                    row = () if image is None else next(rows)
                    waiting.append(finishers.submit(finished, inspected, *row, high=high))
                while len(waiting) > (0 if pause else 2 * batch):
                    yield waiting.popleft().result()


def _read(
    number: int, path: ImageFile, size: int
) -> tuple[Inspected, UInt8[np.ndarray, "s s 3"] | None]:
    """An image file, yet to be judged, and what it holds; or the error that came of it."""
    try:
        return Inspected(number, path), read_image(path, size)
    except (ImageError, OSError) as error:
        return Inspected(number, path, error=str(error)), None


def _ahead(
    pool: ThreadPoolExecutor,
    function: Callable[..., Item],
    items: Iterable[tuple | None],
    count: int,
) -> Iterator[Item | None]:
    """`starmap(function, items)` on threads, `count` items ahead, in order; all before a None."""
    running: deque[Future] = deque()
    for item in items:
        if item is not None:
            running.append(pool.submit(function, *item))
        while len(running) > (0 if item is None else count):
            yield running.popleft().result()
        if item is None:
            yield None


def _grouped(items: Iterable[Item | None], size: int) -> Iterator[tuple[list[Item], bool]]:
    """Lists of `size` items, or of fewer before a None, and whether one ended the list."""
    group = []
    for item in items:
        if item is not None:
            group.append(item)
        if len(group) == size or item is None:
            yield group, item is None
            group = []
