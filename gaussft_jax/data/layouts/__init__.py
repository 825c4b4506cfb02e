"""The layouts of data sets: a file for each, and the registry."""

from gaussft_jax.data.layouts.layout import Layout
from gaussft_jax.data.layouts.mvtec_loco import read_saturations
from gaussft_jax.data.layouts.registry import (
    AUTO,
    LAYOUTS,
    categories,
    layout_of,
    read_category,
    source,
    unrecognised,
)

__all__ = [
    "AUTO",
    "LAYOUTS",
    "Layout",
    "categories",
    "layout_of",
    "read_category",
    "read_saturations",
    "source",
    "unrecognised",
]
