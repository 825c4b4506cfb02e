"""Tuning from the host: call the loop, keep its state, show progress."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, UInt8
from tqdm import tqdm

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone, Variables
from gaussft_jax.objectives import Objective
from gaussft_jax.parallel import SAME
from gaussft_jax.training.checkpoints import Checkpoints
from gaussft_jax.training.loop import finished, make_loop, make_optimiser
from gaussft_jax.training.metrics import write_metrics
from gaussft_jax.training.parameters import join, split
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import DRAWS, ROWS, History, Inputs, TrainState, initial_state
from gaussft_jax.training.validation import draw_vicinity
from gaussft_jax.vicinity import Augmentation

__all__ = ["NotFiniteError", "Tuned", "Tuner"]


class NotFiniteError(ArithmeticError):
    """Training met a value that is not finite."""


class Tuned(NamedTuple):
    """A tuned network.

    Attributes:
        variables: of the best epoch.
        history: one row per epoch that was run, row 0 before training, float32 [epochs + 1].
        epochs: that were run.
        best_epoch: whose state this is; 0 is the pre-trained one.
    """

    variables: Variables
    history: History
    epochs: int
    best_epoch: int


class Tuner:
    """Tunes a backbone under an objective; compiled once for all folds of equal size."""

    def __init__(
        self,
        backbone: Backbone,
        objective: Objective,
        augment: Augmentation,
        recipe: Recipe,
        parallelism: parallel.Parallelism = "jit",
    ):
        self._recipe, self._parallelism = recipe, parallelism
        self._optimiser = make_optimiser(recipe)
        self.loop = make_loop(backbone, objective, augment, recipe, parallelism)
        self._draw = parallel.everywhere(
            lambda key, images: draw_vicinity(
                jax.random.wrap_key_data(key), images, augment, recipe
            ),
            (SAME, ROWS),
            DRAWS,
            parallelism,
        )

    def tune(
        self,
        variables: Variables,
        references: Any,
        training: UInt8[np.ndarray, "n s s 3"] | parallel.Share,
        validation: UInt8[np.ndarray, "v s s 3"] | parallel.Share,
        key: PRNGKeyArray,
        folder: str | Path,
        epochs_per_call: int = 1,
    ) -> Tuned:
        """Tune until the recipe's criterion says stop; goes on from the checkpoint in `folder`.

        Args:
            variables: pre-trained.
            references: of the objective, fitted on `training`.
            training: good images, uint8 [n s s 3], or this process's share of them.
            validation: good images, uint8 [v s s 3], likewise.
            key: random key of the run and fold.
            folder: for `checkpoint/` and `metrics.jsonl` (a line per epoch).
            epochs_per_call: epochs between two checkpoints; changes no result.

        Raises:
            NotFiniteError: names epoch and level; the last good state stays in the checkpoint.
        """
        for state in self.states(
            variables, references, training, validation, key, folder, epochs_per_call
        ):
            last = state
        epochs = int(last.epoch)
        history = History(*(np.asarray(column)[: epochs + 1] for column in last.history))
        return Tuned(self.best(last, variables), history, epochs, int(last.best_epoch))

    def states(
        self,
        variables: Variables,
        references: Any,
        training: UInt8[np.ndarray, "n s s 3"] | parallel.Share,
        validation: UInt8[np.ndarray, "v s s 3"] | parallel.Share,
        key: PRNGKeyArray,
        folder: str | Path,
        epochs_per_call: int = 1,
    ) -> Iterator[TrainState]:
        """The state to go on from, and that after each call of the loop; arguments as for `tune`.

        A state is in the checkpoint before it is given out, and gone when the next is asked for.

        Raises:
            NotFiniteError: as for `tune`.
        """
        folder, recipe = Path(folder), self._recipe
        draw_key, train_key = (np.asarray(jax.random.key_data(k)) for k in jax.random.split(key))
        tuned, fixed = self._split(variables)
        validation = parallel.parts(parallel.share(validation).rows(), ROWS, self._parallelism)
        inputs = Inputs(
            *parallel.parts((train_key, tuned, fixed, references), SAME, self._parallelism),
            training=parallel.parts(parallel.share(training).rows(), ROWS, self._parallelism),
            validation=validation,
            draws=self._draw(draw_key, validation),
        )
        checkpoints = Checkpoints(folder / "checkpoint")
        state = checkpoints.restore(initial_state(tuned, self._optimiser, recipe.max_epochs))
        if state.epoch >= 0:
            yield state
        with tqdm(total=recipe.max_epochs, desc="tune", unit=" epochs") as progress:
            _show(progress, state, recipe)
            state = parallel.parts(state, SAME, self._parallelism)
            while not finished(state, recipe):
                until = np.int32(min(int(state.epoch) + epochs_per_call, recipe.max_epochs))
                state = jax.block_until_ready(self.loop(state, inputs, until))
                if state.failed >= 0:
                    raise _failure(state, len(references), folder)
                checkpoints.save(state)
                if parallel.is_first():
                    write_metrics(folder, state)
                _show(progress, state, recipe)
                yield state
        checkpoints.close()

    def best(self, state: TrainState, variables: Variables) -> Variables:
        """The variables of the state's best epoch, on the host."""
        return join(jax.tree.map(np.asarray, state.best_parameters), self._split(variables)[1])

    def _split(self, variables):
        return split(jax.tree.map(np.asarray, variables), self._recipe.trainable)


def _failure(state: TrainState, levels: int, folder: Path) -> NotFiniteError:
    failed = int(state.failed)
    where = "the loss" if failed == levels else f"the distances of level {failed}"
    return NotFiniteError(
        f"epoch {int(state.epoch) + 1}: {where} ceased to be finite; the state before it is in "
        f"{folder / 'checkpoint'}. A smaller learning rate usually helps"
    )


def _show(progress: tqdm, state: TrainState, recipe: Recipe) -> None:
    epoch = int(state.epoch)
    if epoch < 0:
        return
    progress.n = epoch
    progress.set_postfix(
        loss=f"{float(state.history.loss[epoch]):.3f}",
        auroc=f"{100 * float(state.history.vicinity_auroc[epoch]):.2f}",
        best=int(state.best_epoch),
        patience=recipe.patience - epoch + int(state.best_epoch),
    )
