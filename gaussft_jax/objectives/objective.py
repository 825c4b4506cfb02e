"""The one interface of all objectives: references, level maps, training loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian import Aggregation, Batches

__all__ = ["Levels", "Maps", "Objective", "streamed"]

Levels = tuple[Float[Array, "n _h _w _c"], ...]
Maps = tuple[Float[Array, "n _h _w"], ...]


class Objective(NamedTuple):
    """What it means for an image to be far from the good ones, as pure functions.

    The constructors are cached: equal options give the same functions, which are compiled once.

    Attributes:
        fit: from a call that streams the training images' (levels, valid) to the references, a
            pytree that stays fixed from then on.
        maps: (references, levels) -> a distance map per level, float32 [n h w].
        loss: (maps, masks) -> training loss of each image, float32 [n]; `masks`, bool [n s s], are
            the pixels that were made anomalous. None where nothing can be tuned.
        aggregation: `max` or `mean` over the locations of a level, for the image score.
        outlier_exposure: whether the training images are partly made anomalous.
        score: (references, levels) -> image scores, float32 [n]; None where they are
            `gaussian.image_score` of the maps.
    """

    fit: Callable[[Callable[[], Batches]], Any]
    maps: Callable[[Any, Levels], Maps]
    loss: Callable[[Maps, Bool[Array, "n s s"]], Float[Array, " n"]] | None = None
    aggregation: Aggregation = "max"
    outlier_exposure: bool = False
    score: Callable[[Any, Levels], Float[Array, " n"]] | None = None


def streamed(
    batches: Callable[[], Batches], change: Callable[[Levels], Levels]
) -> Callable[[], Batches]:
    """A stream like `batches` with each batch's levels changed on the way."""
    jitted = jax.jit(change)
    return lambda: ((jitted(levels), valid) for levels, valid in batches())
