"""ROC and precision-recall figures against scikit-learn, on scores with many ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from gaussft_jax.evaluation import (
    Undefined,
    auroc,
    rank_metrics,
    roc,
    roc_curve,
)


def random_scores(rng, n=500, levels=20):
    positive = rng.random(n) < rng.uniform(0.1, 0.9)
    positive[:2] = True, False
    return (rng.integers(0, levels, n) + 3 * positive).astype(np.float32), positive


def sklearn_f1_max(scores, positive):
    precision, recall, _ = sklearn.precision_recall_curve(positive, scores)
    return np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))


@pytest.mark.parametrize("_", range(10))
@pytest.mark.parametrize("levels", [2, 20, 10**6])
def test_rank_metrics_agree_with_sklearn(rng, _, levels):
    scores, positive = random_scores(rng, levels=levels)
    metrics = rank_metrics(scores, positive)
    expected = (
        sklearn.roc_auc_score(positive, scores),
        sklearn.average_precision_score(positive, scores),
        sklearn_f1_max(scores, positive),
    )
    np.testing.assert_allclose(metrics, expected, rtol=1e-12)
    assert metrics.auroc == auroc(scores, positive)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_small_cases_agree_with_the_definitions(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs, strict=True))
    scores = scores.astype(np.float64)
    if positive.all() or not positive.any():
        with pytest.raises(Undefined):
            auroc(scores, positive)
        return
    margins = scores[positive][:, None] - scores[~positive]
    assert auroc(scores, positive) == np.mean((margins > 0) + 0.5 * (margins == 0))
    found = [scores >= threshold for threshold in scores]
    f1 = [2 * (f & positive).sum() / (f.sum() + positive.sum()) for f in found]
    assert rank_metrics(scores, positive).f1_max == pytest.approx(max(f1))


def test_blocks_do_not_change_the_figures(rng, monkeypatch):
    scores, positive = random_scores(rng, n=200)
    whole = rank_metrics(scores, positive)
    monkeypatch.setattr(roc, "BLOCK", 7)
    np.testing.assert_allclose(rank_metrics(scores, positive), whole, rtol=1e-14)


def test_any_shape_and_any_monotone_scale_give_the_same(rng):
    scores, positive = random_scores(rng)
    expected = rank_metrics(scores, positive)
    assert rank_metrics(scores.reshape(5, 10, 10), positive.reshape(5, 10, 10)) == expected
    assert rank_metrics(np.expm1(scores.astype(np.float64) / 7), positive) == expected


def test_turning_the_scores_over_turns_auroc_over(rng):
    scores, positive = random_scores(rng)
    assert auroc(-scores, positive) == pytest.approx(1 - auroc(scores, positive), abs=1e-15)


def test_constant_scores_know_nothing():
    positive = np.arange(10) < 3
    assert rank_metrics(np.ones(10), positive) == pytest.approx((0.5, 0.3, 6 / 13))


def test_perfect_and_infinite_scores():
    scores = np.array([np.inf, 2.0, 1.0, -np.inf])
    assert rank_metrics(scores, np.array([True, True, False, False])) == (1, 1, 1)
    assert auroc(scores, np.array([False, False, True, True])) == 0


@pytest.mark.parametrize("levels", [3, 10**6])
def test_roc_curve_agrees_with_sklearn(rng, levels):
    scores, positive = random_scores(rng, levels=levels)
    fpr, tpr, thresholds = roc_curve(scores, positive)
    expected = sklearn.roc_curve(positive, scores, drop_intermediate=False)
    for mine, theirs in zip((fpr, tpr, thresholds), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-15)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(scores, positive))


@pytest.mark.parametrize("function", [auroc, rank_metrics, roc_curve])
@pytest.mark.parametrize(("value", "absent"), [(True, "negative"), (False, "positive")])
def test_one_class_is_undefined(function, value, absent):
    with pytest.raises(Undefined, match=f"no {absent}"):
        function(np.arange(3.0), np.full(3, value))


def test_nan_is_refused():
    for positive in ([True, False, False], [False, True, False]):
        with pytest.raises(ValueError, match="NaN"):
            auroc(np.array([np.nan, 1, 2]), np.array(positive))


def test_positive_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"bool \(3,\)"):
        roc._sorted_classes(np.arange(3.0), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"bool \(3,\)"):
        roc._sorted_classes(np.arange(3.0), np.array([True, False]))
