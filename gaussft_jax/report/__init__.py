"""Heatmap overlays, figures and the HTML page that show what a run found."""

from gaussft_jax.report.figures import pro_figure, roc_figure, score_histogram, training_curves
from gaussft_jax.report.gallery import LevelMaps, shown
from gaussft_jax.report.overlays import (
    COLOURS,
    heatmap_overlay,
    map_range,
    mask_outline,
    write_overlays,
)
from gaussft_jax.report.page import write_report
from gaussft_jax.report.templates import template

__all__ = [
    "COLOURS",
    "LevelMaps",
    "heatmap_overlay",
    "map_range",
    "mask_outline",
    "pro_figure",
    "roc_figure",
    "score_histogram",
    "shown",
    "template",
    "training_curves",
    "write_overlays",
    "write_report",
]
