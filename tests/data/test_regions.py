"""Regions of a small MVTec LOCO AD."""

import miniatures
import numpy as np
import pytest

from gaussft_jax.data import ImageError, read_category, read_masks, read_regions


def test_each_mask_is_a_region_with_its_saturation(tmp_path):
    category = read_category(tmp_path, miniatures.mvtec_loco(tmp_path))
    (logical,) = (i for i, x in enumerate(category.test) if x.label.startswith("logical"))
    regions = read_regions(category, 32)
    first, second = regions[logical]
    # 64 pixels each: 100 are more than there are, so all count; then 1.0 of them.
    assert (first.saturation, second.saturation) == (64, 64)
    masks = read_masks(category.test, 32)
    np.testing.assert_array_equal(first.mask | second.mask, masks[logical])
    assert [len(image) for image in regions] == [
        2 if i == logical else int(m.any()) for i, m in enumerate(masks)
    ]


@pytest.mark.parametrize(("relative", "threshold", "share"), [(True, 0.3, 0.3), (False, 16, 0.25)])
def test_an_area_is_of_the_mask_as_it_is(tmp_path, relative, threshold, share):
    category = read_category(tmp_path, miniatures.mvtec_loco(tmp_path))
    saturations = {
        value: x._replace(saturation_threshold=threshold, relative_saturation=relative)
        for value, x in category.saturations.items()
    }
    regions = read_regions(category._replace(saturations=saturations), 16)
    saturation = [region.saturation for image in regions for region in image]
    assert saturation == pytest.approx([share * 16] * 3)


def test_what_vanishes_is_left_out_and_what_is_unknown_refused(tmp_path):
    category = read_category(tmp_path, miniatures.mvtec_loco(tmp_path))
    assert not any(len(image) for image in read_regions(category, 1))
    known = {200: category.saturations[200]}
    with pytest.raises(ImageError, match=r"001\.png: defects_config\.json has no pixel_value 201"):
        read_regions(category._replace(saturations=known), 16)


def test_other_data_have_none(tmp_path):
    assert read_regions(read_category(tmp_path, miniatures.mvtec(tmp_path)), 16) is None
    box = tmp_path / miniatures.mvtec_loco(tmp_path)
    (box / "defects_config.json").unlink()
    assert read_regions(read_category(tmp_path, "box"), 16) is None
