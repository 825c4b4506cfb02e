"""Features averaged over the whole image, and how rows of features are made alike in scale."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian import Batches, on_host
from gaussft_jax.methods.method import Levels, streamed

__all__ = ["Scaling", "gathered", "image_map", "pooled", "rows", "scaling", "side_by_side"]


class Scaling(NamedTuple):
    """Mean and standard deviation of features, float32 [d]; 1 where a feature is constant."""

    mean: Float[Array, " d"]
    std: Float[Array, " d"]

    def __call__(self, features: Float[Array | np.ndarray, "*n d"]) -> Float[Array, "*n d"]:
        """The features standardised, in standard deviations."""
        return (features - self.mean) / self.std


def scaling(features: Float[np.ndarray, "n d"]) -> Scaling:
    """The scaling under which the given features have mean 0 and standard deviation 1."""
    wide = features.astype(np.float64)
    mean, std = wide.mean(0), wide.std(0)
    constant = std <= 1e-6 * np.abs(mean)  # a rounding of float32
    return Scaling(*(jnp.asarray(x, jnp.float32) for x in (mean, np.where(constant, 1, std))))


def pooled(levels: Levels) -> Levels:
    """The mean of each level over all its locations, float32 [n 1 1 c]."""
    return tuple(level.mean((1, 2), keepdims=True) for level in levels)


def side_by_side(levels: Levels) -> Float[Array, "n d"]:
    """The means of all levels as one feature, d = the sum of their channels."""
    return jnp.concatenate(pooled(levels), -1)[:, 0, 0]


def rows(batches: Callable[[], Batches], change: Callable[[Levels], Any]) -> Any:
    """What `change` makes of each training image, all of them on the host.

    Args:
        batches: as in `Method.fit`.
        change: from levels to a pytree of arrays [n ...].

    Returns:
        A pytree of arrays [m ...].
    """
    return gathered(streamed(batches, change)())


def gathered(batches: Iterable[tuple[Any, Bool[Array, " n"]]]) -> Any:
    """Of batches (pytree of arrays [n ...], valid) all valid rows on the host, [m ...]."""
    parts = []
    for found, valid in batches:
        real = on_host(valid)
        parts.append(jax.tree.map(lambda x, real=real: on_host(x)[real], found))
    return jax.tree.map(lambda *of_batches: np.concatenate(of_batches), *parts)


def image_map(scores: Float[Array, " n"]) -> Float[Array, "n 1 1"]:
    """Scores of whole images as maps of a single location, which say nothing of where."""
    return scores[:, None, None]
