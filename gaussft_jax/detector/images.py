"""Images as a detector wants them, or a line that says what is wrong with them."""

from typing import TypeVar

import jax
import numpy as np

from gaussft_jax.parallel import Share

__all__ = ["checked"]

Images = TypeVar("Images", np.ndarray, Share)

_WANTED = "uint8 [n s s 3], RGB in grey levels 0..255, as gaussft_jax.read_images gives them"


def checked(images: Images, size: int | None = None) -> Images:
    """The images, if they are what a detector judges.

    Args:
        images: to be uint8 [n s s 3].
        size: what s has to be, pixels; None for any.

    Raises:
        ValueError: another type, shape or size, or none at all.
    """
    if isinstance(images, Share):
        return images
    if not isinstance(images, np.ndarray | jax.Array):
        raise ValueError(f"images are {_WANTED}, not {type(images).__name__}")
    if images.dtype != np.uint8:
        scale = ""
        if np.issubdtype(images.dtype, np.floating) and images.size and images.max() <= 1:
            scale = "; these lie in 0..1: (255 * images).round().astype(numpy.uint8)"
        raise ValueError(f"images are {_WANTED}, not {images.dtype}{scale}")
    if images.ndim == 3:
        raise ValueError(f"images are {_WANTED}, not one of {list(images.shape)}: images[None]")
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(f"images are {_WANTED}, not {list(images.shape)}")
    if not len(images):
        raise ValueError("there are no images")
    if size and images.shape[1] != size:
        raise ValueError(
            f"the detector judges images of {size} x {size} pixels, these are of "
            f"{images.shape[1]} x {images.shape[2]}: read_images(paths, size={size})"
        )
    return np.asarray(images)
