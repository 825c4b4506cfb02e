"""Which rows a memory bank keeps: greedy k-centre selection, exact and in few passes."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from gaussft_jax.memory.nearest import nearest_squared, squared_distances

__all__ = ["coreset"]

_CANDIDATES = 2048
_CENTRES = 64


@functools.partial(jax.jit, static_argnames=("count", "projection"))
def coreset(
    features: Float[Array, "n d"], count: int, key: PRNGKeyArray, projection: int | None = None
) -> Int32[Array, " {min(count,len(features))}"]:
    """Rows that cover all others: from a random one on, always the row farthest from those chosen.

    The greedy choice of k centres, whose largest Euclidean distance of any row to the nearest
    centre is at most twice the smallest possible. Among equal distances the first row is taken.
    Where all other rows repeat chosen ones, repetitions are chosen, each once.

    Every row knows its distance to the nearest centre. A round takes the farthest rows as
    candidates and chooses among them while the farthest of them is farther than any other row was
    at the round's start: distances only fall, so each is the choice among all rows. Then the
    round's centres update all rows in one matrix product. Distances are float32; choices between
    rows whose distances differ by their rounding only may differ from those in float64.

    Args:
        features: float32 [n d].
        count: how many rows are chosen, at least 1; all of them where there are fewer.
        key: random key, of the first row and of the projection.
        projection: distances are those of a Gaussian random projection to so many dimensions,
            where the features have more; None for the features' own.

    Returns:
        int32 [count], indices in the order of choice.

    Reference:
        Gonzalez, 1985; Roth et al., Towards total recall in industrial anomaly detection, 2022,
        algorithm 1.
    """
    n, count = len(features), min(count, len(features))
    first_key, projection_key = jax.random.split(key)
    rows = features - features.mean(0)
    if projection is not None and projection < features.shape[1]:
        shape = (features.shape[1], projection)
        matrix = jax.random.normal(projection_key, shape, rows.dtype) / projection**0.5
        rows = jnp.matmul(rows, matrix, precision=lax.Precision.HIGHEST)
    size = min(_CANDIDATES, n)

    def updated(chosen, start, stop, distances):
        """Distances after the choices from start to stop, in blocks of one size."""

        def with_block(i, distances):
            places = start + i * _CENTRES + jnp.arange(_CENTRES)
            centres = chosen[jnp.minimum(places, stop - 1)]
            distances = jnp.minimum(distances, nearest_squared(rows, rows[centres]))
            return distances.at[centres].set(-jnp.inf)

        return lax.fori_loop(0, -(-(stop - start) // _CENTRES), with_block, distances)

    def choose_round(state):
        chosen, start, distances = state
        farthest, candidates = lax.top_k(distances, size)
        bound = farthest[-1] if size < n else -jnp.inf
        candidates = jnp.sort(candidates)  # so that the first of equals is the first row
        between = squared_distances(rows[candidates], rows[candidates])

        def goes_on(state):
            _, filled, own = state
            return (filled < count) & ((filled == start) | (own.max() > bound))

        def choose(state):
            chosen, filled, own = state
            best = own.argmax()
            own = jnp.minimum(own, between[best]).at[best].set(-jnp.inf)
            return chosen.at[filled].set(candidates[best]), filled + 1, own

        chosen, stop, _ = lax.while_loop(goes_on, choose, (chosen, start, distances[candidates]))
        return chosen, stop, updated(chosen, start, stop, distances)

    first = jax.random.randint(first_key, (), 0, n, jnp.int32)
    chosen = jnp.zeros(count, jnp.int32).at[0].set(first)
    distances = updated(chosen, 0, 1, jnp.full(n, jnp.inf, rows.dtype))
    state = chosen, jnp.int32(1), distances
    return lax.while_loop(lambda state: state[1] < count, choose_round, state)[0]
