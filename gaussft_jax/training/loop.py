"""The training loop on the devices: epochs under lax.while_loop, steps under lax.scan.

Every device works on its part of each batch and keeps its own copy of the parameters; once per step
the gradients are summed over all devices, so that the copies stay equal.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int32

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone
from gaussft_jax.gaussian import level_scores, level_weights
from gaussft_jax.objectives import Objective
from gaussft_jax.training.parameters import join
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import INPUTS, Inputs, TrainState
from gaussft_jax.training.validation import draw_vicinity, vicinity_auroc
from gaussft_jax.vicinity import Augmentation, draw

__all__ = ["finished", "make_loop", "make_optimiser"]


def make_optimiser(recipe: Recipe) -> optax.GradientTransformation:
    """Adam as section 4.2 of the paper has it: no decay, no schedule."""
    return optax.adam(recipe.learning_rate)


def finished(state: TrainState, recipe: Recipe):
    """Whether training is over: patience spent, all epochs run, or a failure; bool []."""
    stale = state.epoch - state.best_epoch >= recipe.patience
    return (state.epoch >= recipe.max_epochs) | stale | (state.failed >= 0)


def make_loop(
    backbone: Backbone,
    objective: Objective,
    augment: Augmentation,
    recipe: Recipe,
    parallelism: parallel.Parallelism = "jit",
) -> Callable[[TrainState, Inputs, Int32[Array, ""]], TrainState]:
    """A jitted function that trains until a given epoch, or until training is finished.

    Equation 5 is minimised over the tuned parameters; the references stay fixed. After each epoch
    one pass scores the vicinity draws and the clean validation images; the criterion decides
    whether the state is the best so far (section 3.1). An epoch that ends in a value that is not
    finite is undone: the state keeps what was before it, and `failed`.

    Returns:
        `(state, inputs, until) -> state`. The memory of the given state is reused.
    """
    optimiser = make_optimiser(recipe)
    batch = recipe.batch_size
    per_device = -(-batch // parallel.mesh().size)

    def judge(parameters, inputs, images, masks):
        """Level maps, losses [n], and whether each level's maps, and the losses, are finite."""
        variables = join(parameters, inputs.fixed)
        maps = objective.maps(inputs.references, backbone.levels(variables, images))
        losses = objective.loss(maps, masks)
        return maps, losses, jnp.stack([jnp.isfinite(x).all() for x in (*maps, losses)])

    def loss_function(parameters, inputs, images, masks, valid):
        _, losses, finite = judge(parameters, inputs, images, masks)
        return jnp.where(valid, losses, 0.0).sum(), finite

    @jax.value_and_grad
    def penalty(parameters, pretrained):
        moved = optax.tree.sub(parameters, pretrained)
        return (
            recipe.weight_decay * optax.tree.norm(parameters, squared=True)
            + recipe.l2_sp * optax.tree.norm(moved, squared=True)
        ) / 2

    def step(carry, xs, inputs):
        parameters, optimiser_state = carry
        chosen, valid, key = xs
        images = parallel.take(inputs.training, chosen)
        if objective.outlier_exposure:
            # The order is random, so any half of the batch will do.
            wanted = parallel.own_part(jnp.arange(len(chosen)) < batch // 2)
            first = parallel.first_of(per_device)
            images, masks = draw(key, images, augment, wanted, first)
        else:
            masks = jnp.zeros(images.shape[:3], bool)
        (loss, finite), gradient = jax.value_and_grad(loss_function, has_aux=True)(
            parameters, inputs, images, masks, parallel.own_part(valid)
        )
        loss, gradient = parallel.summed((loss, gradient))
        loss, gradient = jax.tree.map(lambda x: x / valid.sum(), (loss, gradient))
        if recipe.weight_decay or recipe.l2_sp:
            loss, gradient = optax.tree.add(
                (loss, gradient), penalty(parameters, inputs.pretrained)
            )
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, optimiser_state), (loss * valid.sum(), finite)

    def train_epoch(state, inputs, key):
        n = len(inputs.training.place)
        steps = -(-n // batch)
        order_key, noise_key = jax.random.split(key)
        order = jnp.pad(jax.random.permutation(order_key, n), (0, steps * batch - n))
        valid = jnp.arange(steps * batch) < n
        chosen, valid = (jax.vmap(parallel.filled)(x.reshape(steps, batch)) for x in (order, valid))
        xs = (chosen, valid, jax.random.split(noise_key, steps))
        carry, (losses, finite) = lax.scan(
            lambda carry, xs: step(carry, xs, inputs), (state.parameters, state.optimiser), xs
        )
        return carry, losses.sum() / n, finite.all(0)

    def validate(parameters, inputs, key):
        draws = inputs.draws
        if recipe.redraw:
            draws = draw_vicinity(key, inputs.validation, augment, recipe)
        images = jnp.concatenate([draws.images, inputs.validation.images])
        m, steps = len(images), -(-len(images) // per_device)
        images = jnp.pad(images, ((0, steps * per_device - m), *((0, 0),) * 3))

        def score(images):
            unmarked = jnp.zeros(images.shape[:3], bool)
            maps, losses, finite = judge(parameters, inputs, images, unmarked)
            return level_scores(maps, objective.aggregation).T, losses, finite

        scores, losses, finite = lax.map(
            score, images.reshape(steps, per_device, *images.shape[1:])
        )
        scores = scores.reshape(steps * per_device, -1)
        drawn = parallel.gathered(scores[: len(draws.images)])[: len(draws.anomalous)]
        clean, losses = (
            parallel.gathered(x[len(draws.images) : m])[inputs.validation.place]
            for x in (scores, losses.reshape(-1))
        )
        if recipe.level_weights == "standardised":
            drawn *= level_weights(clean.T)
        return vicinity_auroc(drawn.mean(1), draws.anomalous), losses.mean(), finite.all(0)

    def advance(state, inputs):
        """One epoch; the first call only validates the pre-trained state, as epoch 0."""
        epoch = state.epoch + 1
        key = jax.random.wrap_key_data(inputs.key)
        train_key, draw_key = jax.random.split(jax.random.fold_in(key, epoch))
        levels_and_loss = len(inputs.references) + 1
        (parameters, optimiser_state), loss, trained = lax.cond(
            epoch > 0,
            lambda: train_epoch(state, inputs, train_key),
            lambda: (
                (state.parameters, state.optimiser),
                jnp.array(jnp.nan, jnp.float32),
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
        failures = parallel.summed((~(trained & validated)).astype(jnp.int32))
        finite = failures == 0
        new = TrainState(
            epoch=epoch,
            parameters=parameters,
            optimiser=optimiser_state,
            best_parameters=_where(better, parameters, state.best_parameters),
            best=jnp.where(better, criterion, state.best),
            best_epoch=jnp.where(better, epoch, state.best_epoch),
            failed=state.failed,
            history=type(state.history)(
                loss=state.history.loss.at[epoch].set(loss),
                validation_loss=state.history.validation_loss.at[epoch].set(validation_loss),
                vicinity_auroc=state.history.vicinity_auroc.at[epoch].set(area),
            ),
        )
        failed = state._replace(failed=jnp.argmin(finite).astype(jnp.int32))
        return _where(finite.all(), new, failed)

    def loop(state, inputs, until):
        return lax.while_loop(
            lambda state: (state.epoch < until) & ~finished(state, recipe),
            lambda state: advance(state, inputs),
            state,
        )

    same = parallel.SAME
    return parallel.everywhere(loop, (same, INPUTS, same), same, parallelism, donate=(0,))


def _where(condition, a, b):
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
