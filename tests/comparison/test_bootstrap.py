import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gaussft_jax.comparison import Difference, bootstrap, paired_difference


def naive(first, second, good, bad):
    """The difference on one resample, image by image."""
    chosen = np.concatenate([good, bad])
    truth = np.repeat([0, 1], [len(good), len(bad)])
    aurocs = [np.mean([roc_auc_score(truth, fold[chosen]) for fold in x]) for x in (first, second)]
    return aurocs[1] - aurocs[0]


@pytest.fixture
def drawn(rng):
    defective = rng.random(60) < 0.4
    first = np.round(rng.normal(size=(3, 60)) + defective, 1)  # with ties
    second = np.round(100 * (first[:1] + rng.normal(size=(2, 60))), -1)
    return first, second, defective


@pytest.mark.parametrize("block", [7, 1024])
def test_equals_resampling_image_by_image(drawn, monkeypatch, block):
    """On the same draws, a number for each image, to the last digits."""
    monkeypatch.setattr(bootstrap, "_BLOCK", block)
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 50)
    first, second, defective = drawn
    good, bad = np.flatnonzero(~defective), np.flatnonzero(defective)
    rng = np.random.default_rng(5)
    counts = [rng.multinomial(len(x), np.full(len(x), 1 / len(x)), 50) for x in (good, bad)]
    expected = [
        naive(first, second, np.repeat(good, a), np.repeat(bad, b))
        for a, b in zip(*counts, strict=True)
    ]
    found = paired_difference(first, second, defective, seed=5)
    assert found.value == pytest.approx(naive(first, second, good, bad), abs=1e-12)
    assert found[1:] == pytest.approx(np.quantile(expected, [0.025, 0.975]), abs=1e-12)


def test_agrees_with_other_draws(drawn, rng):
    first, second, defective = drawn
    good, bad = np.flatnonzero(~defective), np.flatnonzero(defective)
    expected = [
        naive(first[:1], second[:1], rng.choice(good, len(good)), rng.choice(bad, len(bad)))
        for _ in range(400)
    ]
    found = paired_difference(first[:1], second[:1], defective)
    low, high = np.quantile(expected, [0.025, 0.975])
    assert abs(found.low - low) < 0.3 * (high - low) and abs(found.high - high) < 0.3 * (high - low)


def test_is_paired_seeded_and_free_of_units(drawn):
    first, second, defective = drawn
    found = paired_difference(first, second, defective)
    assert paired_difference(first, second, defective) == found
    assert paired_difference(first, second, defective, seed=1) != found
    assert paired_difference(first, np.exp(second / 100), defective) == found
    assert paired_difference(first, 3 * first + 1, defective) == (0, 0, 0)
    turned = paired_difference(second, first, defective)
    assert turned == pytest.approx((-found.value, -found.high, -found.low))


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (Difference(0.1, 0.01, 0.2), "win"),
        (Difference(0.1, 0.0, 0.2), "tie"),
        (Difference(0.0, -0.1, 0.1), "tie"),
        (Difference(-0.1, -0.2, -0.01), "loss"),
        (Difference(0.1), ""),
    ],
)
def test_a_tie_has_0_in_its_interval(difference, verdict):
    assert difference.verdict == verdict
