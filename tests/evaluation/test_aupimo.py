"""AUPIMO against a loop over the good images' scores and a fine sum over the log of the rate."""

import numpy as np
import pytest

from gaussft_jax.evaluation import Undefined, aupimo


def naive_aupimo(maps, masks, good, lower, upper):
    """One threshold and image at a time: curve points as the definition says, then trapezoids."""
    thresholds = sorted({float(s) for s in maps[good].ravel()}, reverse=True)
    fpr = [np.mean([(m >= t).mean() for m in maps[good]]) for t in thresholds]
    strict = max(thresholds)
    areas = []
    for m, mask in zip(maps[~good], masks[~good], strict=True):
        if not mask.any():
            continue
        tpr = [(m[mask] >= t).mean() for t in thresholds]
        inside = [np.log(f) for f in fpr if lower < f < upper]
        x = np.array([np.log(lower), *inside, np.log(upper)])
        y = np.interp(x, np.log(fpr), tpr)
        area = 0.0
        if fpr[0] > lower:  # up to the first threshold: what no good pixel reaches
            first = min(np.log(fpr[0]), x[-1])
            area += (first - x[0]) * (m[mask] > strict).mean()
            keep = x >= np.log(fpr[0])
            x, y = x[keep], y[keep]
        areas.append((area + np.trapezoid(y, x)) / np.log(upper / lower))
    return np.mean(areas)


def random_case(rng, levels=None, n=7, side=9):
    good = np.arange(n) % 3 == 0
    masks = rng.random((n, side, side)) < 0.2
    masks[good] = False
    maps = rng.standard_normal((n, side, side)) + 2 * masks
    if levels is not None:
        maps = np.round(maps * levels)
    return maps.astype(np.float32), masks, good


@pytest.mark.parametrize("_", range(4))
@pytest.mark.parametrize("levels", [None, 0.5, 1, 4])
@pytest.mark.parametrize("bounds", [(0.005, 0.05), (0.01, 0.3), (0.1, 0.9), (0.0051, 1.0)])
def test_it_agrees_with_the_loop(rng, _, levels, bounds):
    case = random_case(rng, levels)
    assert aupimo(*case, *bounds) == pytest.approx(naive_aupimo(*case, *bounds), abs=1e-12)


def test_the_paper_s_bounds(rng):
    case = random_case(rng, n=9, side=240)
    bounds = 1e-5, 1e-4
    few = case[0].copy()
    few[case[2]] = np.minimum(few[case[2]], 3.2)  # ties of the highest
    for maps in (case[0], few):
        normal = np.sort(maps[case[2]].ravel())[::-1]
        top = maps.copy()
        top[case[2]] = np.maximum(top[case[2]], normal[40])  # so that the loop is short
        expected = naive_aupimo(top, *case[1:], *bounds)
        assert aupimo(maps, *case[1:]) == pytest.approx(expected, abs=1e-12)
        assert 0 < expected < 1


def test_perfect_inverted_and_constant_maps(rng):
    _, masks, good = random_case(rng)
    bounds = 0.01, 0.1
    assert aupimo(masks.astype(np.float32), masks, good, *bounds) == 1
    assert aupimo(-masks.astype(np.float32), masks, good, *bounds) == 0
    assert aupimo(np.ones(masks.shape, np.float32), masks, good, *bounds) == 0


def test_images_weigh_the_same_and_alarms_beside_a_defect_do_not_count(rng):
    maps, masks, good = random_case(rng)
    masks[1], masks[2], masks[4:] = False, False, False
    masks[1, :6], masks[2, 0, 0] = True, True  # 54 pixels and one
    maps[~good] = 100  # wholly marked, whatever the mask
    maps[2] = -100
    assert aupimo(maps, masks, good, 0.01, 0.1) == pytest.approx(0.5)


def test_a_logarithmic_axis_has_no_unit(rng):
    maps, masks, good = random_case(rng)
    assert aupimo(np.exp(maps), masks, good, 0.01, 0.3) == aupimo(maps, masks, good, 0.01, 0.3)


def test_what_cannot_be_told_is_undefined(rng):
    maps, masks, good = random_case(rng)
    with pytest.raises(Undefined, match="1e-05 needs 100000 pixels of good images, there are 243"):
        aupimo(maps, masks, good)
    with pytest.raises(Undefined, match="no good image"):
        aupimo(maps, masks, np.zeros(7, bool))
    with pytest.raises(Undefined, match="no defective pixel"):
        aupimo(maps, np.zeros_like(masks), good, 0.1, 0.5)
    with pytest.raises(ValueError, match=r"bounds .* not 0.5 and 0.1"):
        aupimo(maps, masks, good, 0.5, 0.1)
