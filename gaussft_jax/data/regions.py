"""Regions of which a part suffices: the masks of an image, each for itself."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from gaussft_jax.data.category import Category, ImageFile
from gaussft_jax.data.images import ImageError, read_full_mask, read_mask, read_mask_value

__all__ = ["Region", "read_regions"]


class Region(NamedTuple):
    """A place that could be changed, in one piece or several.

    Attributes:
        mask: its pixels, bool [h w].
        saturation: how many of them suffice, above 0 and at most all.
    """

    mask: Bool[np.ndarray, "h w"]
    saturation: float


def read_regions(category: Category, size: int | None) -> tuple[tuple[Region, ...], ...] | None:
    """The regions of each test image, one for each of its masks; None without saturations.

    An area in pixels is one of the mask as it is; here the region's share counts, and at most the
    whole. A region of which resizing leaves nothing is left out.

    Args:
        category: as `read_category` gives it.
        size: side of the masks, pixels; None for masks as large as they are.

    Returns:
        For each test image its regions, none for good ones; None too where a defective image has
        no mask.

    Raises:
        ImageError: a mask that `read_mask` refuses, or one of a value without a saturation.
    """
    tests = category.test
    if not category.saturations or any(x.mask is None and x.defective for x in tests):
        return None

    def region(path: ImageFile, of: ImageFile) -> Region:
        area, mask = int(read_full_mask(path).sum()), read_mask(path, size, of)
        if not area:
            return Region(mask, 0)
        value = read_mask_value(path)
        if value not in category.saturations:
            raise ImageError(
                f"{path}: defects_config.json has no pixel_value {value}; "
                "take both from the data set"
            )
        of_defect = category.saturations[value]
        share = of_defect.saturation_threshold / (1 if of_defect.relative_saturation else area)
        return Region(mask, min(share, 1) * int(mask.sum()))

    images = [[region(path, test.path) for path in test.masks] for test in tests]
    return tuple(tuple(region for region in image if region.saturation) for image in images)
