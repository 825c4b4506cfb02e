"""Batches of one shape, so that nothing recompiles for the last one."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, UInt8

__all__ = ["padded_batches"]


def padded_batches(
    images: UInt8[np.ndarray, "n s s 3"], size: int
) -> Iterator[tuple[UInt8[np.ndarray, "b s s 3"], Bool[np.ndarray, " b"]]]:
    """The images in order, `size` at a time; the last batch is filled up with black images.

    Args:
        images: uint8 [n s s 3].
        size: images per batch.

    Yields:
        Images uint8 [size s s 3], and which of them are real, bool [size].
    """
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        missing = size - len(batch)
        yield np.pad(batch, ((0, missing), *((0, 0),) * 3)), np.arange(size) < len(batch)
