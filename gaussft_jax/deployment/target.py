"""What a format of exported detectors is, and what every exported program computes."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, UInt8

from gaussft_jax.detector import Detector
from gaussft_jax.evaluation import cross_p_values

__all__ = ["Target", "judging"]


class Target(NamedTuple):
    """A format that a detector is exported to.

    Attributes:
        export: from a detector, and `options` by name, to the bytes of the file.
        is_exported: whether a file is one that `export` made.
        suffix: of file names that tell the format; empty where any other will do.
        options: what `export` takes beside the detector.
        use: one line on how to run it, for `str.format` with the `file` and its `input`.
    """

    export: Callable[..., bytes]
    is_exported: Callable[[Path], bool]
    suffix: str
    options: tuple[str, ...]
    use: str


def judging(detector: Detector) -> Callable[[UInt8[Array, "n s s 3"]], tuple[Array, ...]]:
    """A pure function from images to what `Detector.predict` says of them.

    Returns:
        From uint8 [n s s 3] to scores, float32 [n], maps, float32 [n s s], and, of a calibrated
        detector, p-values, float32 [n].
    """

    def judge(images):
        scores, maps, by_model = detector.judge(images)
        if not detector.calibration:
            return scores, maps
        held_out = [jnp.asarray(x) for x in detector.calibration.scores]
        return scores, maps, cross_p_values(held_out, by_model.T)

    return judge
