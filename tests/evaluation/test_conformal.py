"""Conformal p-values against their definition, and their rates in simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from gaussft_jax.evaluation import cross_p_values, p_values, threshold


def test_p_values_count_with_ties(rng):
    calibration, scores = (rng.integers(0, 8, size).astype(float) for size in (30, 50))
    expected = [(1 + sum(calibration >= score)) / 31 for score in scores]
    np.testing.assert_allclose(p_values(calibration, scores), expected)


def test_cross_p_values_count_fold_by_fold(rng):
    calibration = [rng.random(size) for size in (5, 9, 7)]
    scores = rng.random((3, 20))
    expected = [
        (1 + sum(sum(held_out >= s) for held_out, s in zip(calibration, column, strict=True))) / 22
        for column in scores.T
    ]
    np.testing.assert_allclose(cross_p_values(calibration, scores), expected)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.31, 0.999])
def test_alarms_are_the_scores_above_the_threshold(rng, alpha):
    calibration = rng.random(40)
    scores = np.concatenate([rng.random(200) * 1.2 - 0.1, calibration])
    alarms = p_values(calibration, scores) <= alpha
    np.testing.assert_array_equal(alarms, scores > threshold(calibration, alpha))


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_false_alarm_rate_is_the_chosen_one(rng, alpha):
    """Over 4000 independent calibrations of 199 images and one new image each."""
    scores = rng.gamma(3, size=(4000, 200))
    alarms = sum(p_values(row[:-1], row[-1:])[0] <= alpha for row in scores)
    # A rank among 200 is uniform, so the rate is alpha itself; a band that 1 in 10^6 leaves.
    low, high = binom.ppf([5e-7, 1 - 5e-7], 4000, alpha)
    assert low <= alarms <= high


def test_too_small_a_rate_says_how_many_images_it_needs():
    with pytest.raises(ValueError, match=r"0\.01 needs 99 good images held out, there are 48"):
        threshold(np.arange(48.0), 0.01)
    with pytest.raises(ValueError, match="no calibration scores"):
        p_values(np.array([]), np.ones(2))
