"""Data: categories in any layout, their pixels, folds, and the built-in photographs."""

from gaussft_jax.data.category import GOOD, Category, ImageFile, Saturation, TestImage
from gaussft_jax.data.folder import images_in, is_image, list_images, read_test, skipped
from gaussft_jax.data.folds import folds
from gaussft_jax.data.given import Given, read_good, read_labelled
from gaussft_jax.data.images import (
    ImageError,
    pixel_count,
    read_full_mask,
    read_full_masks,
    read_image,
    read_images,
    read_mask,
    read_masks,
    read_photograph,
)
from gaussft_jax.data.layouts.layout import Layout
from gaussft_jax.data.layouts.mvtec_loco import read_saturations
from gaussft_jax.data.layouts.registry import (
    AUTO,
    LAYOUTS,
    categories,
    layout_of,
    read_category,
    source,
)
from gaussft_jax.data.photographs import PHOTOGRAPHS, write_photographs
from gaussft_jax.data.regions import Region, read_regions

__all__ = [
    "AUTO",
    "GOOD",
    "LAYOUTS",
    "PHOTOGRAPHS",
    "Category",
    "Given",
    "ImageError",
    "ImageFile",
    "Layout",
    "Region",
    "Saturation",
    "TestImage",
    "categories",
    "folds",
    "images_in",
    "is_image",
    "layout_of",
    "list_images",
    "pixel_count",
    "read_category",
    "read_full_mask",
    "read_full_masks",
    "read_good",
    "read_image",
    "read_images",
    "read_labelled",
    "read_mask",
    "read_masks",
    "read_photograph",
    "read_regions",
    "read_saturations",
    "read_test",
    "skipped",
    "source",
    "write_photographs",
]
