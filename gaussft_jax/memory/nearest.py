"""Distances to the nearest rows of a memory bank, as blocked matrix products."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from gaussft_jax.gaussian import safe_sqrt
from gaussft_jax.lowering import one_form

__all__ = ["nearest_distance", "nearest_squared", "neighbour_weight", "squared_distances"]

_BLOCK = 1024  # rows: a tile of distances is 4 MB


def squared_distances(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, "n m"]:
    """Squared Euclidean distance of each row to each: |a|^2 - 2 a'b + |b|^2, at least 0.

    Its error is a rounding of the largest |a|^2 or |b|^2: rows that lie far from the origin but
    close to each other are better centred first.

    Args:
        a: float32 [n d].
        b: float32 [m d].

    Returns:
        float32 [n m], squared distance.
    """
    product = jnp.matmul(a, b.T, precision=lax.Precision.HIGHEST)
    squared = jnp.square(a).sum(1)[:, None] - 2 * product + jnp.square(b).sum(1)
    return jnp.maximum(squared, 0.0)


@jax.jit
def nearest_squared(rows: Float[Array, "n d"], bank: Float[Array, "k d"]) -> Float[Array, " n"]:
    """Squared Euclidean distance of each row to the nearest row of the bank.

    The memory beside the arguments is bounded by a tile of distances.

    Args:
        rows: float32 [n d], at least one.
        bank: float32 [k d], at least one row; centred, as for `squared_distances`.

    Returns:
        float32 [n], squared distance.
    """
    if one_form.value:  # for formats whose loops see nothing around them
        blocks = [bank[start : start + _BLOCK] for start in range(0, len(bank), _BLOCK)]
        return jnp.stack([squared_distances(rows, block).min(1) for block in blocks]).min(0)

    def with_block(of_rows, least):
        start, block = _block(rows, of_rows)

        def closer(of_bank, nearest):
            return jnp.minimum(nearest, squared_distances(block, _block(bank, of_bank)[1]).min(1))

        nearest = lax.fori_loop(0, _blocks(bank), closer, jnp.full(len(block), jnp.inf))
        return lax.dynamic_update_slice(least, nearest, (start,))

    return lax.fori_loop(0, _blocks(rows), with_block, jnp.full(len(rows), jnp.inf))


@jax.jit
def nearest_distance(queries: Float[Array, "m d"], bank: Float[Array, "k d"]) -> Float[Array, " m"]:
    """Euclidean distance of each query to the nearest row of the bank, both centred on the bank.

    Args:
        queries: float32 [m d], at least one.
        bank: float32 [k d], at least one row.

    Returns:
        float32 [m], distance.
    """
    centre = bank.mean(0)
    return safe_sqrt(nearest_squared(queries - centre, bank - centre))


@functools.partial(jax.jit, static_argnames="neighbours")
def neighbour_weight(
    queries: Float[Array, "n d"], bank: Float[Array, "k d"], neighbours: int
) -> Float[Array, " n"]:
    """How rare the rows of the bank near a query are: 1 - exp(d*) / sum_j exp(d_j).

    d* is the query's distance to m*, its nearest row of the bank, and d_j that to each of the
    rows nearest to m*, m* among them.

    Args:
        queries: float32 [n d], few: [n k] distances are kept.
        bank: float32 [k d], at least one row.
        neighbours: how many rows near m* count, m* included; all where the bank has fewer.

    Returns:
        float32 [n], fraction.

    Reference:
        Roth et al., Towards total recall in industrial anomaly detection, 2022, equation 7.
    """
    centre = bank.mean(0)
    queries, bank = queries - centre, bank - centre
    distances = safe_sqrt(squared_distances(queries, bank))
    nearest = distances.argmin(1)
    _, which = lax.top_k(-squared_distances(bank[nearest], bank), min(neighbours, len(bank)))
    return 1 - jax.nn.softmax(jnp.take_along_axis(distances, which, 1), axis=1)[:, 0]


def _blocks(rows: Float[Array, "n d"]) -> int:
    return -(-len(rows) // _BLOCK)


def _block(
    rows: Float[Array, "n d"], number: Int[Array | int, ""]
) -> tuple[Int[Array, ""], Float[Array, "b d"]]:
    """Where one of equal blocks starts, and its rows; the last may reach back into another."""
    size = -(-len(rows) // _blocks(rows))
    start = jnp.minimum(number * size, len(rows) - size)
    return start, lax.dynamic_slice_in_dim(rows, start, size)
