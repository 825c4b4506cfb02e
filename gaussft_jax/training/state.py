"""What training carries from epoch to epoch, and what it never changes."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int32, UInt32

from gaussft_jax.parallel import REPLICATED, SHARDED, Rows
from gaussft_jax.training.validation import Draws

__all__ = [
    "DRAWS",
    "INPUTS",
    "ROWS",
    "History",
    "Inputs",
    "TrainState",
    "in_arrays",
    "in_row",
    "initial_state",
]

# On the devices, or on the host before and after.
Array = jax.Array | np.ndarray


class History(NamedTuple):
    """One row per epoch, row 0 before training; NaN where it was not run.

    Attributes:
        loss: mean training loss, float32 [epochs + 1].
        gradient_norm: mean over the steps of the gradient's Euclidean norm, float32 [epochs + 1].
        update_norm: likewise of the change of the parameters.
        validation_loss: mean loss of the clean validation images, float32 [epochs + 1].
        vicinity_auroc: fraction, float32 [epochs + 1].
    """

    loss: Float[Array, " epochs"]
    gradient_norm: Float[Array, " epochs"]
    update_norm: Float[Array, " epochs"]
    validation_loss: Float[Array, " epochs"]
    vicinity_auroc: Float[Array, " epochs"]


class TrainState(NamedTuple):
    """The whole carry of the loop; what a checkpoint holds.

    Random numbers need no place in it: those of an epoch follow from the seed and its number.

    Attributes:
        epoch: epochs done, int32 []; -1 before the pre-trained state was validated.
        parameters: tuned parameters, all in one row, float32 [p]: what is done to each of hundreds
            of small arrays is compiled hundreds of times.
        optimiser: of optax.
        best_parameters: those of the best epoch, likewise.
        best: the criterion at the best epoch, larger is better, float32 [].
        best_epoch: int32 [].
        failed: level whose distances ceased to be finite (their number: the loss), or -1, int32 [].
        history: see `History`.
    """

    epoch: Int32[Array, ""]
    parameters: Float[Array, " p"]
    optimiser: optax.OptState
    best_parameters: Float[Array, " p"]
    best: Float[Array, ""]
    best_epoch: Int32[Array, ""]
    failed: Int32[Array, ""]
    history: History


class Inputs(NamedTuple):
    """What stays fixed while training.

    Attributes:
        key: data of the random key of the run's seed and fold.
        pretrained: the tuned parameters before training, {path: float32}; those of a method that
            tunes its references, too, have them under `parameters.REFERENCES`.
        fixed: all other variables of the network.
        references: of the method.
        training: good images, sharded over the devices.
        validation: good images, likewise.
        draws: the vicinity of `validation`, drawn once.
        fisher: information of the tuned parameters, where the recipe asks for it.
    """

    key: UInt32[Array, " k"]
    pretrained: dict[str, Any]
    fixed: dict[str, Array]
    references: Any
    training: Rows
    validation: Rows
    draws: Draws
    fisher: dict[str, Any] | None = None


# Where the parts of `Inputs` lie.
ROWS = Rows(images=SHARDED, place=REPLICATED)
DRAWS = Draws(images=SHARDED, anomalous=REPLICATED)
INPUTS = Inputs(*(REPLICATED,) * 4, training=ROWS, validation=ROWS, draws=DRAWS, fisher=REPLICATED)


def initial_state(
    parameters: dict[str, Any], optimiser: optax.GradientTransformation, epochs: int
) -> TrainState:
    """The state before anything was trained or validated, on the host."""
    row = np.asarray(in_row(parameters))
    return TrainState(
        epoch=np.int32(-1),
        parameters=row,
        optimiser=jax.tree.map(np.asarray, optimiser.init(row)),
        best_parameters=row,
        best=np.float32(-np.inf),
        best_epoch=np.int32(0),
        failed=np.int32(-1),
        history=History(*(np.full(epochs + 1, np.nan, np.float32) for _ in History._fields)),
    )


def in_row(parameters: dict[str, Any] | None) -> Float[Array, " p"]:
    """All parameters one behind the other; of None an empty row."""
    return ravel_pytree(parameters)[0]


def in_arrays(row: Float[Array, " p"], like: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a row, with the names, shapes and types of others."""
    return ravel_pytree(like)[1](row)
