"""The detector: one network, one method, what it knows of good images; fitted, kept, asked."""

from gaussft_jax.detector.detector import Calibrate, Detector, Prediction
from gaussft_jax.detector.fitting import Model, Tuning, fit_model, tunable_part
from gaussft_jax.detector.prediction import map_at
from gaussft_jax.detector.set_up import AUTO, PAPER_SIZE

__all__ = [
    "AUTO",
    "PAPER_SIZE",
    "Calibrate",
    "Detector",
    "Model",
    "Prediction",
    "Tuning",
    "fit_model",
    "map_at",
    "tunable_part",
]
