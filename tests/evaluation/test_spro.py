"""sPRO against a loop over all distinct scores that counts as the definition says."""

import numpy as np
import pytest

from gaussft_jax.data import Region
from gaussft_jax.evaluation import Scored, Undefined, aupro, auspro, evaluate


def naive_auspro(maps, masks, regions, limit):
    fpr, spro = [0.0], [0.0]
    for threshold in sorted({float(s) for s in maps.ravel()}, reverse=True):
        found = maps >= threshold
        fpr.append((found & ~masks).sum() / (~masks).sum())
        shares = [
            min((found[i] & mask).sum() / saturation, 1)
            for i, image in enumerate(regions)
            for mask, saturation in image
        ]
        spro.append(np.mean(shares))
    area = 0.0
    for x0, x1, y0, y1 in zip(fpr, fpr[1:], spro, spro[1:], strict=False):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


def random_case(rng, levels=None, n=5, side=10):
    """Up to three regions an image, which may overlap, touch, and be in several pieces."""
    regions = []
    for i in range(n):
        image = [rng.random((side, side)) < 0.15 for _ in range(i % 4)]
        regions.append(
            tuple(Region(mask, float(rng.uniform(0.05, 1) * mask.sum())) for mask in image)
        )
    masks = np.array(
        [np.any([np.zeros((side, side), bool), *(x.mask for x in image)], 0) for image in regions]
    )
    maps = rng.standard_normal((n, side, side)) + masks
    if levels is not None:
        maps = np.round(maps * levels)
    return maps.astype(np.float32), masks, tuple(regions)


@pytest.mark.parametrize("_", range(4))
@pytest.mark.parametrize("levels", [None, 1, 4])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_it_agrees_with_the_loop(rng, _, levels, limit):
    case = random_case(rng, levels)
    assert auspro(*case, limit) == pytest.approx(naive_auspro(*case, limit), abs=1e-12)


def test_a_saturation_below_one_pixel_needs_one_pixel(rng):
    maps, masks, regions = random_case(rng)
    tiny = tuple(tuple(Region(mask, 0.25) for mask, _ in image) for image in regions)
    assert auspro(maps, masks, tiny) == pytest.approx(naive_auspro(maps, masks, tiny, 0.3))


def test_whole_regions_of_one_component_are_pro(rng):
    maps, masks, _ = random_case(rng)
    masks[:] = False
    masks[1, 2:5, 3:9] = masks[2, 0:3, 0:2] = True
    regions = tuple((Region(mask, float(mask.sum())),) if mask.any() else () for mask in masks)
    assert auspro(maps, masks, regions) == pytest.approx(aupro(maps, masks))


def test_only_data_with_regions_have_it(rng):
    maps, masks, regions = random_case(rng)
    labels = tuple("hole" if image else "good" for image in regions)
    scored = Scored(tuple(map(str, range(5))), labels, maps.max((1, 2)), maps, masks)
    assert "auspro" not in evaluate(scored)[0]
    metrics, _ = evaluate(scored._replace(regions=regions))
    assert metrics["auspro"] == auspro(maps, masks, regions, 0.3)
    assert metrics["auspro_05"] == auspro(maps, masks, regions, 0.05)


def test_without_regions_it_is_undefined(rng):
    maps, masks, regions = random_case(rng)
    with pytest.raises(Undefined, match="no region"):
        auspro(maps, masks, tuple(() for _ in regions))
