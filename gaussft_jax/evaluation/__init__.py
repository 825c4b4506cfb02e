"""How well scores and maps find defects: ROC, precision-recall, PRO, and their means."""

from gaussft_jax.evaluation.metrics import evaluate, mean_and_sem, summarise
from gaussft_jax.evaluation.pro import aupro, pro_curve
from gaussft_jax.evaluation.roc import (
    RankMetrics,
    Undefined,
    auroc,
    average_precision,
    f1_max,
    rank_metrics,
    roc_curve,
)
from gaussft_jax.evaluation.scored import GOOD, Scored

__all__ = [
    "GOOD",
    "RankMetrics",
    "Scored",
    "Undefined",
    "aupro",
    "auroc",
    "average_precision",
    "evaluate",
    "f1_max",
    "mean_and_sem",
    "pro_curve",
    "rank_metrics",
    "roc_curve",
    "summarise",
]
