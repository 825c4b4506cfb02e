"""Position embeddings for images of another size."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["resized"]


def resized(
    positions: Float[Array, "g g c"], height: int, width: int, antialias: bool
) -> Float[Array, "h w c"]:
    """Position embeddings interpolated bicubically, as PyTorch does; pixel centres lie at halves.

    Args:
        positions: of a square grid.
        height: rows to make.
        width: columns to make.
        antialias: widen the kernel where there are fewer of them than before, a = -0.5 instead of
            -0.75, and leave out what lies outside of the grid instead of repeating its border.
    """
    side = positions.shape[0]
    if (height, width) == (side, side):
        return positions
    rows, columns = (_weights(side, size, antialias) for size in (height, width))
    dtype = positions.dtype
    return jnp.einsum("hi,wj,ijc->hwc", rows.astype(dtype), columns.astype(dtype), positions)


def _weights(inputs: int, outputs: int, antialias: bool) -> Float[np.ndarray, "outputs inputs"]:
    """The share of each input in each output."""
    scale = inputs / outputs
    centres = (np.arange(outputs) + 0.5) * scale - 0.5
    if antialias:
        distances = np.abs(np.arange(inputs) - centres[:, None]) / max(scale, 1)
        weights = _cubic(distances, -0.5)
        return weights / weights.sum(1, keepdims=True)
    first = np.floor(centres).astype(int)
    weights = np.zeros((outputs, inputs))
    for tap in range(-1, 3):
        column = np.clip(first + tap, 0, inputs - 1)
        share = _cubic(np.abs(first + tap - centres), -0.75)
        np.add.at(weights, (np.arange(outputs), column), share)
    return weights


def _cubic(distance: Float[np.ndarray, "*n"], a: float) -> Float[np.ndarray, "*n"]:
    """Keys' kernel of cubic convolution."""
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
