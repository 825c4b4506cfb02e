"""PRO against a loop over all distinct scores that labels and counts as the definition says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from gaussft_jax.evaluation import Undefined, aupro, auroc, pro_curve


def naive_curve(maps, masks):
    """(FPR, PRO) at every distinct score, one threshold, image and region at a time."""
    regions = []
    for i, mask in enumerate(masks):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [(i, labels == k) for k in range(1, count + 1)]
    normal = sum(int((~mask).sum()) for mask in masks)
    fpr, pro = [0.0], [0.0]
    for threshold in sorted({float(s) for m in maps for s in m.ravel()}, reverse=True):
        found = [m >= threshold for m in maps]
        fpr.append(sum((f & ~mask).sum() for f, mask in zip(found, masks, strict=True)) / normal)
        pro.append(np.mean([found[i][region].mean() for i, region in regions]))
    return np.array(fpr), np.array(pro)


def naive_aupro(maps, masks, limit=0.3):
    fpr, pro = naive_curve(maps, masks)
    area = 0.0
    for x0, x1, y0, y1 in zip(fpr, fpr[1:], pro, pro[1:], strict=False):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


def random_case(rng, n=4, side=12, levels=None):
    masks = ndimage.gaussian_filter(rng.standard_normal((n, side, side)), (0, 2, 2)) > 0.12
    masks[0] = False
    masks[1, 2:4, 2:4] = True
    maps = rng.standard_normal((n, side, side)) + masks
    if levels is not None:
        maps = np.round(maps * levels)
    return maps.astype(np.float32), masks


@pytest.mark.parametrize("_", range(5))
@pytest.mark.parametrize("levels", [None, 1, 5])
@pytest.mark.parametrize("limit", [0.01, 0.3, 1.0])
def test_aupro_agrees_with_the_loop(rng, _, levels, limit):
    maps, masks = random_case(rng, levels=levels)
    assert aupro(maps, masks, limit) == pytest.approx(naive_aupro(maps, masks, limit), abs=1e-12)


@given(
    arrays(np.float32, (2, 3, 4), elements=st.integers(0, 4)),
    arrays(bool, (2, 3, 4)),
    st.sampled_from([0.05, 0.3, 0.5, 1.0]),
)
@settings(max_examples=200, deadline=None)
def test_small_cases_agree_with_the_loop(maps, masks, limit):
    if masks.all() or not masks.any():
        with pytest.raises(Undefined):
            aupro(maps, masks, limit)
        return
    assert aupro(maps, masks, limit) == pytest.approx(naive_aupro(maps, masks, limit), abs=1e-12)


@pytest.mark.parametrize("levels", [None, 2])
def test_curve_agrees_with_the_loop_and_ends_at_the_limit(rng, levels):
    maps, masks = random_case(rng, levels=levels)
    fpr, pro, thresholds = pro_curve(maps, masks, limit=0.2)
    expected_fpr, expected_pro = naive_curve(maps, masks)
    ends = int(np.argmax(expected_fpr >= 0.2)) + 1
    np.testing.assert_allclose(fpr[:ends], expected_fpr[:ends], atol=1e-12)
    np.testing.assert_allclose(pro[:ends], expected_pro[:ends], atol=1e-12)
    assert fpr[0] == pro[0] == 0
    assert len(fpr) == len(pro) == len(thresholds) == ends
    expected = np.append(np.inf, np.unique(maps)[::-1])[:ends]
    np.testing.assert_array_equal(thresholds, expected)


def test_area_of_the_whole_curve_is_aupro(rng):
    maps, masks = random_case(rng)
    maps[0, 0, 0] = maps.min() - 1  # of a good image: the curve ends where the FPR is 1
    fpr, pro, _ = pro_curve(maps, masks, limit=1.0)
    assert (fpr[-1], pro[-1]) == pytest.approx((1, 1))
    assert np.trapezoid(pro, fpr) == pytest.approx(aupro(maps, masks, 1.0))


def test_one_region_to_the_end_is_auroc(rng):
    maps, masks = random_case(rng, levels=2)
    masks[:] = False
    masks[2, 3:7, 5:9] = True
    assert aupro(maps, masks, 1.0) == pytest.approx(auroc(maps, masks))


def test_regions_weigh_the_same_and_corners_connect():
    maps = np.zeros((1, 6, 6), np.float32)
    masks = np.zeros((1, 6, 6), bool)
    masks[0, 0, 0] = masks[0, 1, 1] = True
    masks[0, 3:6, 3:6] = True
    maps[0, 0, 0] = 1
    assert pro_curve(maps, masks)[1][1] == pytest.approx(0.25)
    maps[0, 3:6, 3:6] = 1
    assert pro_curve(maps, masks)[1][1] == pytest.approx(0.75)


def test_perfect_inverted_and_constant_maps(rng):
    _, masks = random_case(rng)
    assert aupro(masks.astype(np.float32), masks) == pytest.approx(1)
    assert aupro(-masks.astype(np.float32), masks) == 0
    assert aupro(np.ones(masks.shape, np.float32), masks) == pytest.approx(0.15)


def test_a_mask_that_fills_its_image_is_one_region(rng):
    maps, masks = random_case(rng)
    masks[3] = True
    assert aupro(maps, masks) == pytest.approx(naive_aupro(maps, masks), abs=1e-12)


def test_maps_of_different_sizes(rng):
    (maps, masks), (large_maps, large_masks) = random_case(rng), random_case(rng, side=17)
    maps, masks = [*maps, *large_maps], [*masks, *large_masks]
    assert aupro(maps, masks) == pytest.approx(naive_aupro(maps, masks), abs=1e-12)


def test_any_monotone_scale_gives_the_same(rng):
    maps, masks = random_case(rng, levels=4)
    assert aupro(np.exp(maps / 4), masks) == aupro(maps, masks)


def test_a_texture_that_fools_the_sample_changes_nothing(rng):
    """Every 64th normal pixel scores high, so that the guessed lowest score is far too high."""
    maps = rng.random((2, 64, 64), dtype=np.float32)
    maps[:, :, 0] += 5
    masks = np.zeros(maps.shape, bool)
    masks[1, 32:, 20:40] = True
    maps[masks] += 0.2
    assert aupro(maps, masks) == pytest.approx(naive_aupro(maps, masks), abs=1e-12)


@pytest.mark.parametrize(("value", "absent"), [(True, "normal"), (False, "defective")])
def test_one_class_is_undefined(value, absent):
    for function in (aupro, pro_curve):
        with pytest.raises(Undefined, match=f"no {absent} pixel"):
            function(np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), value))


def test_nan_shape_and_limit_are_refused(rng):
    maps, masks = random_case(rng)
    with pytest.raises(ValueError, match=r"limit .* not 30"):
        aupro(maps, masks, 30.0)
    with pytest.raises(ValueError, match="mask 1 must be bool"):
        aupro(list(maps), [masks[0], *masks[1:, 1:]])
    maps[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="map 2 holds NaN"):
        aupro(maps, masks)
