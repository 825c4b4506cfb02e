"""The training loop on the devices: epochs under lax.while_loop."""

import dataclasses
from collections.abc import Callable

from jax import lax
from jaxtyping import Array, Int32

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone
from gaussft_jax.methods import Method
from gaussft_jax.training.epoch import Epoch
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import INPUTS, Inputs, TrainState
from gaussft_jax.vicinity import Augmentation, vicinity

__all__ = ["finished", "make_loop"]


def finished(state: TrainState, recipe: Recipe):
    """Whether training is over: patience spent, all epochs run, or a failure; bool []."""
    stale = state.epoch - state.best_epoch >= recipe.patience
    return (state.epoch >= recipe.max_epochs) | stale | (state.failed >= 0)


def make_loop(
    backbone: Backbone,
    method: Method,
    augment: Augmentation,
    recipe: Recipe,
    parallelism: parallel.Parallelism = "jit",
    exposure: Augmentation | None = None,
) -> Callable[[TrainState, Inputs, Int32[Array, ""]], TrainState]:
    """A jitted function that trains until a given epoch, or until training is finished.

    Equation 5 is minimised over the tuned parameters; the references stay fixed. After each epoch
    one pass scores the vicinity draws and the clean validation images; the criterion decides
    whether the state is the best so far (section 3.1). An epoch that ends in a value that is not
    finite is undone: the state keeps what was before it, and `failed`.

    A method with outlier exposure sees its share of each batch augmented, rounded down: none of a
    batch of one image.

    Args:
        backbone: the network.
        method: what distance means, and its loss.
        augment: makes the vicinity of the validation images.
        recipe: the constants.
        parallelism: as for `parallel.spmd`.
        exposure: augments the training images of a method that wants it and does not say by what;
            None: `augment`.

    Returns:
        `(state, inputs, until) -> state`. The memory of the given state is reused.
    """
    seen = dataclasses.replace(backbone, pixels=method.pixels)
    expose = vicinity(method.anomalies) if method.anomalies else exposure or augment
    epoch = Epoch(seen, method, augment, expose, recipe)

    def loop(state, inputs, until):
        return lax.while_loop(
            lambda state: (state.epoch < until) & ~finished(state, recipe),
            lambda state: epoch.advance(state, inputs),
            state,
        )

    replicated = parallel.REPLICATED
    specs = (replicated, INPUTS, replicated)
    return parallel.spmd(loop, specs, replicated, parallelism, donate=(0,))
