"""How well scores and maps find defects: ROC, precision-recall, PRO, and their means."""

from gaussft_jax.evaluation.aupimo import aupimo
from gaussft_jax.evaluation.bootstrap import (
    draw_images,
    interval,
    intervals,
    resampled_aupro,
    resampled_auroc,
    resampled_pixel_auroc,
)
from gaussft_jax.evaluation.conformal import Calibration, cross_p_values, p_values, threshold
from gaussft_jax.evaluation.metrics import HEADLINES, METRICS, evaluate, mean_and_sem, summarise
from gaussft_jax.evaluation.overlap import Overlap, overlap
from gaussft_jax.evaluation.pro import aupro, pro_curve
from gaussft_jax.evaluation.roc import RankMetrics, Undefined, auroc, rank_metrics, roc_curve
from gaussft_jax.evaluation.scored import (
    Scored,
    read_level_maps,
    read_scored,
    write_level_maps,
    write_scored,
)
from gaussft_jax.evaluation.spro import auspro

__all__ = [
    "HEADLINES",
    "METRICS",
    "Calibration",
    "Overlap",
    "RankMetrics",
    "Scored",
    "Undefined",
    "aupimo",
    "aupro",
    "auroc",
    "auspro",
    "cross_p_values",
    "draw_images",
    "evaluate",
    "interval",
    "intervals",
    "mean_and_sem",
    "overlap",
    "p_values",
    "pro_curve",
    "rank_metrics",
    "read_level_maps",
    "read_scored",
    "resampled_aupro",
    "resampled_auroc",
    "resampled_pixel_auroc",
    "roc_curve",
    "summarise",
    "threshold",
    "write_level_maps",
    "write_scored",
]
