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
from gaussft_jax.learning import NotFiniteError
from gaussft_jax.methods import Method
from gaussft_jax.parallel import REPLICATED
from gaussft_jax.training.checkpoints import Checkpoints
from gaussft_jax.training.epoch import make_optimiser
from gaussft_jax.training.fisher import feature_spread, make_fisher
from gaussft_jax.training.loop import finished, make_loop
from gaussft_jax.training.metrics import write_metrics
from gaussft_jax.training.parameters import REFERENCES, join, split
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import (
    DRAWS,
    ROWS,
    History,
    Inputs,
    TrainState,
    in_arrays,
    initial_state,
)
from gaussft_jax.training.validation import draw_vicinity
from gaussft_jax.vicinity import Augmentation

__all__ = ["Task", "Tuned", "Tuner"]

# A checkpoint holds the parameters four times; a killed run repeats fewer epochs than this.
_EPOCHS_PER_SAVE = 5


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


class Task(NamedTuple):
    """What a network is tuned to.

    Attributes:
        variables: pre-trained.
        references: of the method, fitted on `training`; to begin with where the method tunes them.
        training: good images, uint8 [n s s 3], or this process's share of them.
        validation: good images, uint8 [v s s 3], likewise.
        key: random key of the run and fold.
    """

    variables: Variables
    references: Any
    training: UInt8[np.ndarray, "n s s 3"] | parallel.Share
    validation: UInt8[np.ndarray, "v s s 3"] | parallel.Share
    key: PRNGKeyArray


class Tuner:
    """Tunes a backbone under a method; compiled once for all tasks of equal size."""

    def __init__(
        self,
        backbone: Backbone,
        method: Method,
        augment: Augmentation,
        recipe: Recipe,
        parallelism: parallel.Parallelism = "jit",
        exposure: Augmentation | None = None,
    ):
        if not method.tunable:
            raise ValueError(f"the method {method.name} has no loss to tune to")
        self.recipe, self._backbone, self._method = recipe, backbone, method
        self._parallelism = parallelism
        self._optimiser = make_optimiser(recipe)
        self._fisher = make_fisher(backbone, parallelism)
        self.loop = make_loop(backbone, method, augment, recipe, parallelism, exposure)
        self._draw = parallel.spmd(
            lambda key, images: draw_vicinity(
                jax.random.wrap_key_data(key), images, augment, recipe
            ),
            (REPLICATED, ROWS),
            DRAWS,
            parallelism,
        )

    def tune(self, task: Task, folder: str | Path, epochs_per_call: int = 1) -> Tuned:
        """Tune until the recipe's criterion says stop; goes on from the checkpoint in `folder`.

        Args:
            task: network and images.
            folder: for `checkpoint/` and `metrics.jsonl` (a line per epoch).
            epochs_per_call: epochs between two looks at the state; changes no result.

        Raises:
            ValueError: too few images to validate by.
            NotFiniteError: names epoch and level; the last good state stays in the checkpoint.
        """
        for state in self.states(task, folder, epochs_per_call):
            last = state
        epochs = int(last.epoch)
        history = History(*(np.asarray(column)[: epochs + 1] for column in last.history))
        return Tuned(self.best(last, task), history, epochs, int(last.best_epoch))

    def states(
        self, task: Task, folder: str | Path, epochs_per_call: int = 1
    ) -> Iterator[TrainState]:
        """The state to go on from, and that after each call of the loop; arguments as for `tune`.

        A state is gone when the next is asked for. Every few epochs, and at the end, it is in the
        checkpoint before it is given out.

        Raises:
            ValueError, NotFiniteError: as for `tune`.
        """
        folder, recipe = Path(folder), self.recipe
        self._check(len(task.validation))
        draw_key, train_key = (
            np.asarray(jax.random.key_data(k)) for k in jax.random.split(task.key)
        )
        tuned, fixed = self._split(task)
        training, validation = (
            parallel.device_put(parallel.share(images).rows(), ROWS, self._parallelism)
            for images in (task.training, task.validation)
        )
        everywhere = train_key, tuned, fixed, task.references
        inputs = Inputs(
            *parallel.device_put(everywhere, REPLICATED, self._parallelism),
            training=training,
            validation=validation,
            draws=self._draw(draw_key, validation),
        )
        if recipe.ewc:
            # Beside the two keys above, by which runs were drawn before there was this one.
            key = np.asarray(jax.random.key_data(jax.random.fold_in(task.key, 2)))
            spread = feature_spread(self._backbone, task.variables, task.training)
            known = inputs.pretrained, inputs.fixed, training
            inputs = inputs._replace(fisher=self._fisher(key, spread, *known))
        checkpoints = Checkpoints(folder / "checkpoint")
        state = checkpoints.restore(initial_state(tuned, self._optimiser, recipe.max_epochs))
        if state.epoch >= 0:
            yield state
        with tqdm(total=recipe.max_epochs, desc="tune", unit=" epochs") as progress:
            _show(progress, state, recipe)
            saved = int(state.epoch)
            state = parallel.device_put(state, REPLICATED, self._parallelism)
            while not finished(state, recipe):
                until = np.int32(min(int(state.epoch) + epochs_per_call, recipe.max_epochs))
                state = jax.block_until_ready(self.loop(state, inputs, until))
                if state.failed >= 0:
                    if int(state.epoch) > saved:
                        checkpoints.save(state._replace(failed=np.int32(-1)))
                    raise _failure(state, len(task.references), folder)
                if int(state.epoch) - saved >= _EPOCHS_PER_SAVE or finished(state, recipe):
                    checkpoints.save(state)
                    saved = int(state.epoch)
                if parallel.is_primary():
                    write_metrics(folder, state)
                _show(progress, state, recipe)
                yield state
        checkpoints.close()

    def best(self, state: TrainState, task: Task) -> Variables:
        """The network's variables of the state's best epoch, on the host."""
        tuned, fixed = self._split(task)
        best = in_arrays(np.asarray(state.best_parameters), tuned)
        return jax.tree.map(np.asarray, join(best, fixed))

    def _check(self, validation: int) -> None:
        """Refuse what could not be validated, before the time is spent."""
        recipe = self.recipe
        if recipe.stopping == "vicinity" and recipe.draws_per_image * validation < 2:
            raise ValueError(
                f"{recipe.draws_per_image} draw of {validation} validation image cannot tell good "
                "from augmented: give more images or draws_per_image"
            )
        if recipe.level_weights == "standardised" and validation < 2:
            raise ValueError(
                f"level_weights=standardised needs at least 2 validation images, there is "
                f"{validation}: give more images, or level_weights=equal"
            )

    def _split(self, task):
        host = jax.tree.map(np.asarray, task.variables)
        tuned, fixed = split(host, self.recipe.trainable, self._backbone.module.first_level)
        if self._method.moves:
            tuned[REFERENCES] = jax.tree.map(np.asarray, task.references)
        return tuned, fixed


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
    loss = {"loss": f"{float(state.history.loss[epoch]):.3f}"} if epoch else {}
    progress.set_postfix(
        loss,
        auroc=f"{100 * float(state.history.vicinity_auroc[epoch]):.2f}",
        best=int(state.best_epoch),
        patience=recipe.patience - epoch + int(state.best_epoch),
    )
