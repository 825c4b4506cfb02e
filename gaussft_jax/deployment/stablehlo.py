"""A detector as one StableHLO program, which needs JAX alone."""

from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from gaussft_jax.deployment.target import Target, judging
from gaussft_jax.detector import Detector

__all__ = ["TARGET", "export_stablehlo", "is_exported"]

PLATFORMS = ("cpu", "cuda", "tpu")


def export_stablehlo(detector: Detector, platforms: tuple[str, ...] = PLATFORMS) -> bytes:
    """The serialised program: images, uint8 [n s s 3], to scores, maps and p-values.

    It normalises the images, which must have been resized to s x s pixels, and holds the weights,
    the Gaussians and the calibration; n is free. It returns what `Detector.predict` does, float32
    [n], [n s s] and [n]; without calibration there are two results. Read it by
    `jax.export.deserialize(bytes).call(images)`.

    JAX reads such a program for at least six months after the version that wrote it, and may refuse
    it later: keep the detector's folder, and export again after an update.

    Args:
        detector: fitted.
        platforms: those that the program must run on.
    """
    size = detector.image_size
    (n,) = export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((n, size, size, 3), jnp.uint8)
    exported = export.export(jax.jit(judging(detector)), platforms=platforms)
    return bytes(exported(images).serialize())


def is_exported(path: str | Path) -> bool:
    """Whether a file is a program that `export_stablehlo` wrote."""
    try:
        export.deserialize(bytearray(Path(path).read_bytes()))
    except Exception:  # of other bytes, flatbuffers raises nearly anything
        return False
    return True


TARGET = Target(
    export_stablehlo,
    is_exported,
    "",
    ("platforms",),
    "jax.export.deserialize(open({file!r}, 'rb').read()).call(images) runs it; newer JAX reads it "
    "for six months",
)
