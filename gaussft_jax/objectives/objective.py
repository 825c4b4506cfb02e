"""The one interface of all objectives: references, level maps, training loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian import Batches

__all__ = ["Levels", "Maps", "Objective"]

Levels = tuple[Float[Array, "n _h _w _c"], ...]
Maps = tuple[Float[Array, "n _h _w"], ...]


class Objective(NamedTuple):
    """What it means for an image to be far from the good ones, as pure functions.

    Attributes:
        fit: from a call that streams the training images' (levels, valid) to the references, a
            pytree that stays fixed from then on.
        maps: (references, levels) -> a distance map per level, float32 [n h w].
        loss: (maps, masks) -> training loss of each image, float32 [n]; `masks`, bool [n s s], are
            the pixels that were made anomalous.
        outlier_exposure: whether the training images are partly made anomalous.
    """

    fit: Callable[[Callable[[], Batches]], Any]
    maps: Callable[[Any, Levels], Maps]
    loss: Callable[[Maps, Bool[Array, "n s s"]], Float[Array, " n"]]
    outlier_exposure: bool = False
