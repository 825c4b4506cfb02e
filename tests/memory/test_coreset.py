"""The blocked selection against one row after the other in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gaussft_jax.memory import coreset


def _greedy(rows, count, first):
    """One row after the other, in float64; ties to the first row, no row twice."""
    rows = rows.astype(np.float64)
    chosen, distances = [first], np.square(rows - rows[first]).sum(1)
    while len(chosen) < count:
        distances[chosen] = -1
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.square(rows - rows[chosen[-1]]).sum(1))
    return np.array(chosen)


def _chosen(rows, count, seed=0, **options):
    return np.asarray(coreset(jnp.asarray(rows), count, jax.random.key(seed), **options))


# 6000 rows are more than the candidates of a round: there are many rounds.
@pytest.mark.parametrize(("n", "d", "count"), [(6000, 12, 600), (600, 3, 90), (211, 150, 210)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_choice_is_the_greedy_one(n, d, count, seed):
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32) + 5
    chosen = _chosen(rows, count, seed)
    np.testing.assert_array_equal(chosen, _greedy(rows, count, chosen[0]))


def test_clusters_of_unequal_density():
    # Some are so dense that their distances are lost in the rounding of float32.
    rng = np.random.default_rng(3)
    centres, spread = rng.normal(size=(9, 6)) * 20, 2.0 ** np.arange(9)[:, None] / 64
    which = np.minimum(rng.geometric(0.4, 4000) - 1, 8)
    rows = (centres[which] + spread[which] * rng.normal(size=(4000, 6))).astype(np.float32)
    chosen, wide = _chosen(rows, 500), rows.astype(np.float64)
    squared, rounding = np.full(4000, np.inf), 1e-6 * np.square(wide - wide.mean(0)).sum(1).max()
    for before, after in itertools.pairwise(chosen):
        squared = np.minimum(squared, np.square(wide - wide[before]).sum(1))
        assert squared[after] >= squared.max() - rounding
    assert len(set(chosen)) == 500


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(800, 3), (6000, 4)])
def test_ties_go_to_the_first_row(n, d):
    # Whole numbers about a mean of exactly zero: all distances are exact, and most are tied.
    half = np.random.default_rng(4).integers(-3, 4, (n // 2, d)).astype(np.float32)
    rows = np.concatenate([half, -half])
    distinct = len(np.unique(rows, axis=0))
    chosen = _chosen(rows, distinct)
    np.testing.assert_array_equal(chosen, _greedy(rows, distinct, chosen[0]))
    assert len(np.unique(rows[chosen], axis=0)) == distinct


def test_repeated_rows_are_chosen_last_and_once_each():
    rows = np.random.default_rng(5).normal(size=(60, 4)).astype(np.float32).repeat(3, 0)
    chosen = _chosen(rows, 180)
    assert sorted(chosen[:60] // 3) == list(range(60))
    assert sorted(chosen) == list(range(180))
    assert sorted(_chosen(np.ones_like(rows), 180)) == list(range(180))


@pytest.mark.parametrize("n", [1, 5])
def test_more_than_there_are_is_all(n):
    rows = np.random.default_rng(6).normal(size=(n, 4)).astype(np.float32)
    chosen = _chosen(rows, 9)
    np.testing.assert_array_equal(chosen, _greedy(rows, n, chosen[0]))


def test_the_key_decides_the_first_row():
    rows = np.random.default_rng(7).normal(size=(50, 4)).astype(np.float32)
    firsts = [_chosen(rows, 3, seed)[0] for seed in range(20)]
    assert len(set(firsts)) > 10
    np.testing.assert_array_equal(_chosen(rows, 20, 3), _chosen(rows, 20, 3))


def test_a_projection_keeps_the_cover():
    rows = np.random.default_rng(8).normal(size=(800, 200)).astype(np.float32)
    rows *= 0.97 ** np.arange(200, dtype=np.float32)

    def radius(chosen):
        return np.linalg.norm(rows[:, None] - rows[chosen], axis=-1).min(1).max()

    own, projected = _chosen(rows, 80), _chosen(rows, 80, projection=64)
    assert (own != projected).any()
    assert radius(own) < radius(projected) < 1.15 * radius(own)
    # of no fewer dimensions than the features have, it is left out
    np.testing.assert_array_equal(_chosen(rows, 80, projection=200), own)
