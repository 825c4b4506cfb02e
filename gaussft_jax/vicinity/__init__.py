"""The vicinity of good images: AugMix, CutOut, Confetti, CutPaste as jitted functions."""

from gaussft_jax.vicinity.augmix import augmix
from gaussft_jax.vicinity.confetti import confetti
from gaussft_jax.vicinity.cutout import cutout
from gaussft_jax.vicinity.cutpaste import patch, scar
from gaussft_jax.vicinity.mixture import Augmentation, draw, mixture, vicinity

__all__ = [
    "Augmentation",
    "augmix",
    "confetti",
    "cutout",
    "draw",
    "mixture",
    "patch",
    "scar",
    "vicinity",
]
