"""Fine-tuning that knows when to stop, in a loop on the device."""

from gaussft_jax.training.loop import finished, make_loop, make_optimiser
from gaussft_jax.training.recipe import Recipe, Stopping
from gaussft_jax.training.state import (
    DRAWS,
    INPUTS,
    ROWS,
    History,
    Inputs,
    TrainState,
    initial_state,
)
from gaussft_jax.training.tuning import NotFiniteError, Tuned, Tuner
from gaussft_jax.training.validation import Draws, auroc, draw_vicinity

__all__ = [
    "DRAWS",
    "INPUTS",
    "ROWS",
    "Draws",
    "History",
    "Inputs",
    "NotFiniteError",
    "Recipe",
    "Stopping",
    "TrainState",
    "Tuned",
    "Tuner",
    "auroc",
    "draw_vicinity",
    "finished",
    "initial_state",
    "make_loop",
    "make_optimiser",
]
