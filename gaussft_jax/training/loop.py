"""The training loop on the devices: epochs under lax.while_loop, steps under lax.scan.

Every device works on its part of each batch and keeps its own copy of the parameters; once per step
the gradients are summed over all devices, so that the copies stay equal.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int32

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone
from gaussft_jax.gaussian import level_weights, weighted_mean
from gaussft_jax.learning import shuffled, where
from gaussft_jax.methods import Method
from gaussft_jax.network import images_at_once
from gaussft_jax.training.parameters import REFERENCES, join
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import (
    INPUTS,
    History,
    Inputs,
    TrainState,
    in_arrays,
    in_row,
)
from gaussft_jax.training.validation import draw_vicinity, vicinity_auroc
from gaussft_jax.vicinity import Augmentation, draw, vicinity

__all__ = ["finished", "make_loop", "make_optimiser", "penalty"]


def make_optimiser(recipe: Recipe) -> optax.GradientTransformation:
    """Adam as section 4.2 of the paper has it: no decay, no schedule."""
    return optax.adam(recipe.learning_rate)


def penalty(
    parameters: Float[Array, " p"],
    pretrained: Float[Array, " p"],
    fisher: Float[Array, " f"],
    recipe: Recipe,
) -> Float[Array, ""]:
    """What is added to the loss of tuned parameters w, float32 [].

    (weight_decay |w|^2 + l2_sp |w - w0|^2 + ewc sum of F_i (w_i - w0_i)^2) / 2

    Args:
        parameters: w, float32 [p].
        pretrained: w0, likewise.
        fisher: F, likewise; empty where `ewc` is 0.
        recipe: has the three factors.

    Reference:
        Section 2.2 of the paper.
    """
    moved = jnp.square(parameters - pretrained)
    total = recipe.weight_decay * jnp.square(parameters).sum() + recipe.l2_sp * moved.sum()
    if recipe.ewc:
        total += recipe.ewc * jnp.vdot(fisher, moved)
    return total / 2


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
    backbone = dataclasses.replace(backbone, pixels=method.pixels)
    expose = vicinity(method.anomalies) if method.anomalies else exposure or augment
    optimiser = make_optimiser(recipe)
    batch = recipe.batch_size
    per_device = -(-batch // parallel.mesh().size)

    def judge(parameters, inputs, images, masks):
        """Level scores, losses [n], and whether each level's maps, and the losses, are finite."""
        levels = backbone.levels(join(parameters, inputs.fixed), images)
        references = parameters.get(REFERENCES, inputs.references)
        maps = method.level_maps(references, levels)
        losses = method.loss(maps, masks)
        scores = method.level_scores(references, levels, maps)
        return scores, losses, jnp.stack([jnp.isfinite(x).all() for x in (*maps, losses)])

    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss_and_gradient(parameters, inputs, images, masks, valid):
        _, losses, finite = judge(parameters, inputs, images, masks)
        return jnp.where(valid, losses, 0.0).sum(), finite

    def summed_gradient(parameters, inputs, *batch):
        """Sum of the losses, whether all is finite, and the gradient, a few images at a time.

        The gradient stays in its arrays until it is summed: to copy it for each image takes time.
        """
        n, size = batch[0].shape[:2]
        at_once = images_at_once(n, size, gradient=True)
        parts = [x.reshape(-1, at_once, *x.shape[1:]) for x in batch]

        def add(total, part):
            (loss, finite), gradient = loss_and_gradient(parameters, inputs, *part)
            return jax.tree.map(jnp.add, total, (loss, gradient)), finite

        zeros = jax.tree.map(jnp.zeros_like, (jnp.zeros(()), parameters))
        (loss, gradient), finite = lax.scan(add, zeros, tuple(parts))
        return loss, finite.all(0), in_row(gradient)

    def step(carry, xs, inputs):
        parameters, optimiser_state = carry
        chosen, valid, key = xs
        images = parallel.gather_rows(inputs.training, chosen)
        if method.exposure:
            # The order is random, so any of the real images will do; they come first.
            count = (method.exposure * valid.sum()).astype(jnp.int32)
            wanted = parallel.local_shard(jnp.arange(len(chosen)) < count)
            first = parallel.shard_start(per_device)
            images, masks = draw(key, images, expose, wanted, first)
        else:
            masks = jnp.zeros(images.shape[:3], bool)
        arrays = in_arrays(parameters, inputs.pretrained)
        loss, finite, gradient = summed_gradient(
            arrays, inputs, images, masks, parallel.local_shard(valid)
        )
        loss, gradient = parallel.psum((loss, gradient))
        loss, gradient = loss / valid.sum(), gradient / valid.sum()
        if recipe.weight_decay or recipe.l2_sp or recipe.ewc:
            others = in_row(inputs.pretrained), in_row(inputs.fisher)
            held_back = jax.value_and_grad(penalty)(parameters, *others, recipe)
            loss, gradient = optax.tree.add((loss, gradient), held_back)
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        norms = jnp.linalg.norm(gradient), jnp.linalg.norm(updates)
        return (parameters, optimiser_state), (loss * valid.sum(), norms, finite)

    def train_epoch(state, inputs, key):
        n = len(inputs.training.place)
        order_key, noise_key = jax.random.split(key)
        chosen, valid = map(jax.vmap(parallel.padded), shuffled(order_key, n, batch))
        xs = (chosen, valid, jax.random.split(noise_key, len(chosen)))
        carry, (losses, norms, finite) = lax.scan(
            lambda carry, xs: step(carry, xs, inputs), (state.parameters, state.optimiser), xs
        )
        gradient_norm, update_norm = (norm.mean() for norm in norms)
        return carry, (losses.sum() / n, gradient_norm, update_norm), finite.all(0)

    def validate(parameters, inputs, key):
        draws = inputs.draws
        if recipe.redraw:
            draws = draw_vicinity(key, inputs.validation, augment, recipe)
        images = jnp.concatenate([draws.images, inputs.validation.images])
        parameters = in_arrays(parameters, inputs.pretrained)
        m, at_once = len(images), images_at_once(per_device, images.shape[1])
        steps = -(-m // at_once)
        images = jnp.pad(images, ((0, steps * at_once - m), *((0, 0),) * 3))

        def score(images):
            unmarked = jnp.zeros(images.shape[:3], bool)
            return judge(parameters, inputs, images, unmarked)

        scores, losses, finite = lax.map(score, images.reshape(steps, at_once, *images.shape[1:]))
        scores = scores.reshape(steps * at_once, -1)
        drawn = parallel.all_gather(scores[: len(draws.images)])[: len(draws.anomalous)]
        clean, losses = (
            parallel.all_gather(x[len(draws.images) : m])[inputs.validation.place]
            for x in (scores, losses.reshape(-1))
        )
        weights = level_weights(clean) if recipe.level_weights == "standardised" else None
        area = vicinity_auroc(weighted_mean(drawn, weights), draws.anomalous)
        return area, losses.mean(), finite.all(0)

    def advance(state, inputs):
        """One epoch; the first call only validates the pre-trained state, as epoch 0."""
        epoch = state.epoch + 1
        key = jax.random.wrap_key_data(inputs.key)
        train_key, draw_key = jax.random.split(jax.random.fold_in(key, epoch))
        levels_and_loss = len(inputs.references) + 1
        (parameters, optimiser_state), measured, trained = lax.cond(
            epoch > 0,
            lambda: train_epoch(state, inputs, train_key),
            lambda: (
                (state.parameters, state.optimiser),
                (jnp.float32(jnp.nan),) * 3,
                jnp.ones(levels_and_loss, bool),
            ),
        )
        area, validation_loss, validated = validate(parameters, inputs, draw_key)
        criterion = {
            "vicinity": area,
            "validation_loss": -validation_loss,
            "fixed": epoch.astype(jnp.float32),
        }[recipe.stopping]
        competes = (epoch > 0) | recipe.pretrained_competes
        better = competes & (criterion > state.best)
        failures = parallel.psum((~(trained & validated)).astype(jnp.int32))
        finite = failures == 0
        new = TrainState(
            epoch=epoch,
            parameters=parameters,
            optimiser=optimiser_state,
            best_parameters=where(better, parameters, state.best_parameters),
            best=jnp.where(better, criterion, state.best),
            best_epoch=jnp.where(better, epoch, state.best_epoch),
            failed=state.failed,
            history=jax.tree.map(
                lambda column, value: column.at[epoch].set(value),
                state.history,
                History(*measured, validation_loss, area),
            ),
        )
        failed = state._replace(failed=jnp.argmin(finite).astype(jnp.int32))
        return where(finite.all(), new, failed)

    def loop(state, inputs, until):
        return lax.while_loop(
            lambda state: (state.epoch < until) & ~finished(state, recipe),
            lambda state: advance(state, inputs),
            state,
        )

    replicated = parallel.REPLICATED
    specs = (replicated, INPUTS, replicated)
    return parallel.spmd(loop, specs, replicated, parallelism, donate=(0,))
