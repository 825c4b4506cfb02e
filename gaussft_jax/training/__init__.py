"""Fine-tuning that knows when to stop, in a loop on the device."""

from gaussft_jax.learning import NotFiniteError
from gaussft_jax.training.loop import finished, make_loop
from gaussft_jax.training.metrics import read_metrics
from gaussft_jax.training.recipe import GUARDED, LevelWeights, Recipe
from gaussft_jax.training.state import DRAWS, ROWS, History, TrainState
from gaussft_jax.training.tuning import Task, Tuned, Tuner
from gaussft_jax.training.validation import Draws, draw_vicinity, vicinity_auroc

__all__ = [
    "DRAWS",
    "GUARDED",
    "ROWS",
    "Draws",
    "History",
    "LevelWeights",
    "NotFiniteError",
    "Recipe",
    "Task",
    "TrainState",
    "Tuned",
    "Tuner",
    "draw_vicinity",
    "finished",
    "make_loop",
    "read_metrics",
    "vicinity_auroc",
]
