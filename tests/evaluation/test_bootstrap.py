"""Resampled figures against those of images that were really drawn and joined."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gaussft_jax.evaluation import (
    Scored,
    Undefined,
    aupro,
    draw_images,
    interval,
    intervals,
    resampled_aupro,
    resampled_auroc,
    resampled_pixel_auroc,
)


def random_scored(rng, n=11, side=7):
    defective = np.arange(n) % 3 != 0
    masks = (rng.random((n, side, side)) < 0.2) & defective[:, None, None]
    maps = (rng.integers(0, 6, masks.shape) + masks).astype(np.float32)  # with ties
    labels = tuple("hole" if x else "good" for x in defective)
    scores = rng.integers(0, 5, n).astype(np.float32)
    return Scored(tuple(map(str, range(n))), labels, scores, maps, masks)


def test_draws_keep_the_number_of_good_and_defective_images(rng):
    defective = rng.random(40) < 0.3
    draws = draw_images(defective, 500)
    assert set(draws[:, defective].sum(1)) == {defective.sum()}
    assert set(draws[:, ~defective].sum(1)) == {(~defective).sum()}
    np.testing.assert_allclose(draws.mean(0), 1, atol=0.25)  # five standard errors
    np.testing.assert_array_equal(draws, draw_images(defective, 500))
    assert (draws != draw_images(defective, 500, seed=1)).any()


def test_image_auroc_of_each_draw(rng):
    scored = random_scored(rng)
    draws = draw_images(scored.defective, 30)
    expected = []
    for times in draws:
        drawn = np.repeat(np.arange(len(times)), times)
        expected.append(roc_auc_score(scored.defective[drawn], scored.scores[drawn]))
    found = resampled_auroc(scored.scores, scored.defective, draws)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_pixel_auroc_of_each_draw(rng):
    scored = random_scored(rng)
    draws = draw_images(scored.defective, 30)
    expected = []
    for times in draws:
        drawn = np.repeat(np.arange(len(times)), times)
        expected.append(roc_auc_score(scored.masks[drawn].ravel(), scored.maps[drawn].ravel()))
    found = resampled_pixel_auroc(scored.maps, scored.masks, draws)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_pro_of_each_draw(rng, limit):
    tied = random_scored(rng)
    smooth = tied._replace(
        maps=rng.random((11, 40, 40), np.float32), masks=np.zeros((11, 40, 40), bool)
    )
    smooth.masks[1::2, 5:20, 8:30] = True
    smooth.masks[3, 30:35, 2:9] = True
    smooth.maps[smooth.masks] += 0.3
    draws = draw_images(tied.defective, 30)
    for scored, tolerance in ((tied, 1e-12), (smooth, 1e-3)):
        found = resampled_aupro(scored.maps, scored.masks, draws, limit)
        for times, value in zip(draws, found, strict=True):
            drawn = np.repeat(np.arange(len(times)), times)
            expected = aupro(scored.maps[drawn], scored.masks[drawn], limit)
            np.testing.assert_allclose(value, expected, atol=tolerance)


def test_a_draw_without_defective_pixels_is_left_out(rng):
    scored = random_scored(rng)
    scored.masks[2:] = False
    draws = np.ones((3, 11), np.int64)
    draws[1, 1] = 0
    for resampled in (resampled_pixel_auroc, resampled_aupro):
        found = resampled(scored.maps, scored.masks, draws)
        assert np.isnan(found).tolist() == [False, True, False]
        assert interval(found) == [found[0], found[0]]


def test_interval_is_of_percentiles(rng):
    values = rng.permutation(1001) / 1000
    assert interval(values) == pytest.approx([0.025, 0.975])
    assert interval(values, 0.5) == pytest.approx([0.25, 0.75])


def test_the_interval_covers_what_it_should(rng):
    """AUROC of N(1, 1) above N(0, 1) is 0.760; in 200 trials 95 % are 190, five errors are 15."""
    defective = np.arange(120) < 60
    draws = draw_images(defective, 400)
    covered = 0
    for _ in range(200):
        low, high = interval(
            resampled_auroc(rng.standard_normal(120) + defective, defective, draws)
        )
        covered += low <= 0.7602 <= high
    assert covered >= 172


def test_intervals_of_test_images_and_their_notes(rng):
    scored = random_scored(rng)
    found, notes = intervals(scored)
    assert notes == {}
    low, high = found["image_auroc"]
    assert low < roc_auc_score(scored.defective, scored.scores) < high
    low, high = found["pixel_auroc"]
    assert low < roc_auc_score(scored.masks.ravel(), scored.maps.ravel()) < high
    low, high = found["aupro"]
    assert low < aupro(scored.maps, scored.masks) < high
    found, notes = intervals(scored._replace(masks=None))
    assert found["pixel_auroc"] is None and found["aupro"] is None
    assert notes == {"pixel_auroc": "no masks", "aupro": "no masks"}
    found, notes = intervals(scored._replace(labels=("good",) * 11))
    assert found["image_auroc"] is None
    assert notes["image_auroc"] == "needs both classes: there is no positive"


def test_one_class_is_undefined(rng):
    maps = np.zeros((2, 2, 2), np.float32)
    with pytest.raises(Undefined, match="no negative"):
        resampled_pixel_auroc(maps, maps == 0, draw_images(np.ones(2, bool)))
    with pytest.raises(Undefined, match="no negative"):
        resampled_auroc(maps[0, 0], np.ones(2, bool), draw_images(np.ones(2, bool)))
