"""How well scores and maps find defects: ROC, precision-recall, PRO, and their means."""

from gaussft_jax.evaluation.conformal import Calibration, cross_p_values, p_values, threshold
from gaussft_jax.evaluation.metrics import evaluate, mean_and_sem, summarise
from gaussft_jax.evaluation.pro import aupro, pro_curve
from gaussft_jax.evaluation.roc import (
    RankMetrics,
    Undefined,
    auroc,
    rank_metrics,
    roc_curve,
)
from gaussft_jax.evaluation.scored import (
    Scored,
    read_level_maps,
    read_scored,
    write_level_maps,
    write_scored,
)

__all__ = [
    "Calibration",
    "RankMetrics",
    "Scored",
    "Undefined",
    "aupro",
    "auroc",
    "cross_p_values",
    "evaluate",
    "mean_and_sem",
    "p_values",
    "pro_curve",
    "rank_metrics",
    "read_level_maps",
    "read_scored",
    "roc_curve",
    "summarise",
    "threshold",
    "write_level_maps",
    "write_scored",
]
