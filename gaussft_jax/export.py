"""A detector as one StableHLO program that runs without this package."""

import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array, UInt8

from gaussft_jax.evaluation import cross_p_values
from gaussft_jax.models import Detector

__all__ = ["export_detector"]

PLATFORMS = ("cpu", "cuda", "tpu")


def export_detector(detector: Detector, platforms: tuple[str, ...] = PLATFORMS) -> bytes:
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

    def judge(images: UInt8[Array, "n s s 3"]) -> tuple[Array, ...]:
        scores, maps, by_model = detector.judge(images)
        if not detector.calibration:
            return scores, maps
        held_out = [jnp.asarray(x) for x in detector.calibration.scores]
        return scores, maps, cross_p_values(held_out, by_model.T)

    size = detector.image_size
    (n,) = export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((n, size, size, 3), jnp.uint8)
    return bytes(export.export(jax.jit(judge), platforms=platforms)(images).serialize())
