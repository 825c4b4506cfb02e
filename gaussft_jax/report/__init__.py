"""Heatmap overlays, figures and the HTML page that show what a run found."""

from gaussft_jax.report.figures import pro_figure, roc_figure, score_histogram, training_curves
from gaussft_jax.report.gallery import data_uri, shown
from gaussft_jax.report.overlays import (
    COLOURS,
    OVERLAYS,
    heatmap_overlay,
    map_range,
    mask_outline,
    overlay_paths,
    write_overlays,
)
from gaussft_jax.report.page import SCRIPT, STYLE, write_report
from gaussft_jax.report.templates import csp_hash, template

__all__ = [
    "COLOURS",
    "OVERLAYS",
    "SCRIPT",
    "STYLE",
    "csp_hash",
    "data_uri",
    "heatmap_overlay",
    "map_range",
    "mask_outline",
    "overlay_paths",
    "pro_figure",
    "roc_figure",
    "score_histogram",
    "shown",
    "template",
    "training_curves",
    "write_overlays",
    "write_report",
]
