"""An epoch on the devices: steps under lax.scan, then a look at images that are held out.

Every device works on its part of each batch and keeps its own copy of the parameters; once per step
the gradients are summed over all devices, so that the copies stay equal.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone
from gaussft_jax.gaussian import level_weights, weighted_mean
from gaussft_jax.learning import shuffled, where
from gaussft_jax.methods import Method
from gaussft_jax.network import images_at_once
from gaussft_jax.training.parameters import REFERENCES, join
from gaussft_jax.training.recipe import Recipe
from gaussft_jax.training.state import History, Inputs, TrainState, in_arrays, in_row
from gaussft_jax.training.validation import draw_vicinity, vicinity_auroc
from gaussft_jax.vicinity import Augmentation, draw

__all__ = ["Epoch", "make_optimiser", "penalty"]

Finite = Bool[Array, " l"]
"""Whether the maps of each level, and at the end the losses, are finite."""


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


@dataclasses.dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch does, as pure functions that every device calls.

    Attributes:
        backbone: the network.
        method: what distance means, and its loss.
        augment: makes the vicinity of the validation images.
        expose: augments the training images of a method with exposure.
        recipe: the constants.
    """

    backbone: Backbone
    method: Method
    augment: Augmentation
    expose: Augmentation
    recipe: Recipe

    def advance(self, state: TrainState, inputs: Inputs) -> TrainState:
        """One epoch; the first call only validates the pre-trained state, as epoch 0."""
        recipe, epoch = self.recipe, state.epoch + 1
        key = jax.random.wrap_key_data(inputs.key)
        train_key, draw_key = jax.random.split(jax.random.fold_in(key, epoch))
        levels_and_loss = len(inputs.references) + 1
        (parameters, optimiser_state), measured, trained = lax.cond(
            epoch > 0,
            lambda: self.train(state, inputs, train_key),
            lambda: (
                (state.parameters, state.optimiser),
                (jnp.float32(jnp.nan),) * 3,
                jnp.ones(levels_and_loss, bool),
            ),
        )
        area, validation_loss, validated = self.validate(parameters, inputs, draw_key)
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

    def train(
        self, state: TrainState, inputs: Inputs, key: PRNGKeyArray
    ) -> tuple[tuple[Any, Any], tuple[Float[Array, ""], ...], Finite]:
        """All training images once, in random order.

        Returns:
            Parameters and optimiser; mean loss, mean norms of gradient and update; what is finite.
        """
        n = len(inputs.training.place)
        order_key, noise_key = jax.random.split(key)
        batches = shuffled(order_key, n, self.recipe.batch_size)
        chosen, valid = map(jax.vmap(parallel.padded), batches)
        xs = (chosen, valid, jax.random.split(noise_key, len(chosen)))
        carry, (losses, norms, finite) = lax.scan(
            lambda carry, xs: self._step(*carry, *xs, inputs),
            (state.parameters, state.optimiser),
            xs,
        )
        gradient_norm, update_norm = (norm.mean() for norm in norms)
        return carry, (losses.sum() / n, gradient_norm, update_norm), finite.all(0)

    def validate(
        self, parameters: Float[Array, " p"], inputs: Inputs, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], Float[Array, ""], Finite]:
        """The AUROC of the vicinity, the mean loss of clean images, and what is finite."""
        recipe, draws = self.recipe, inputs.draws
        if recipe.redraw:
            draws = draw_vicinity(key, inputs.validation, self.augment, recipe)
        images = jnp.concatenate([draws.images, inputs.validation.images])
        parameters = in_arrays(parameters, inputs.pretrained)
        m, at_once = len(images), images_at_once(self._per_device, images.shape[1])
        steps = -(-m // at_once)
        images = jnp.pad(images, ((0, steps * at_once - m), *((0, 0),) * 3))

        def score(images):
            unmarked = jnp.zeros(images.shape[:3], bool)
            return self._judge(parameters, inputs, images, unmarked)

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

    def _step(self, parameters, optimiser_state, chosen, valid, key, inputs):
        recipe = self.recipe
        images, masks = self._exposed(parallel.gather_rows(inputs.training, chosen), valid, key)
        arrays = in_arrays(parameters, inputs.pretrained)
        loss, finite, gradient = self._summed_gradient(
            arrays, inputs, images, masks, parallel.local_shard(valid)
        )
        loss, gradient = parallel.psum((loss, gradient))
        loss, gradient = loss / valid.sum(), gradient / valid.sum()
        if recipe.weight_decay or recipe.l2_sp or recipe.ewc:
            others = in_row(inputs.pretrained), in_row(inputs.fisher)
            held_back = jax.value_and_grad(penalty)(parameters, *others, recipe)
            loss, gradient = optax.tree.add((loss, gradient), held_back)
        optimiser = make_optimiser(recipe)
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        norms = jnp.linalg.norm(gradient), jnp.linalg.norm(updates)
        return (parameters, optimiser_state), (loss * valid.sum(), norms, finite)

    def _exposed(self, images: UInt8[Array, "d s s 3"], valid: Bool[Array, " b"], key):
        """This device's images of a batch, the method's share of the batch made anomalous."""
        if not self.method.exposure:
            return images, jnp.zeros(images.shape[:3], bool)
        # The order is random, so any of the real images will do; they come first.
        count = (self.method.exposure * valid.sum()).astype(jnp.int32)
        wanted = parallel.local_shard(jnp.arange(len(valid)) < count)
        return draw(key, images, self.expose, wanted, parallel.shard_start(self._per_device))

    def _summed_gradient(self, parameters, inputs, *batch):
        """Sum of the losses, whether all is finite, and the gradient, a few images at a time.

        The gradient stays in its arrays until it is summed: to copy it for each image takes time.
        """
        n, size = batch[0].shape[:2]
        at_once = images_at_once(n, size, gradient=True)
        parts = tuple(x.reshape(-1, at_once, *x.shape[1:]) for x in batch)

        def total(parameters, images, masks, valid):
            _, losses, finite = self._judge(parameters, inputs, images, masks)
            return jnp.where(valid, losses, 0.0).sum(), finite

        of_part = jax.value_and_grad(total, has_aux=True)

        def add(so_far, part):
            (loss, finite), gradient = of_part(parameters, *part)
            return jax.tree.map(jnp.add, so_far, (loss, gradient)), finite

        zeros = jax.tree.map(jnp.zeros_like, (jnp.zeros(()), parameters))
        (loss, gradient), finite = lax.scan(add, zeros, parts)
        return loss, finite.all(0), in_row(gradient)

    def _judge(self, parameters, inputs, images, masks):
        """Level scores, losses [n], and what is finite."""
        levels = self.backbone.levels(join(parameters, inputs.fixed), images)
        references = parameters.get(REFERENCES, inputs.references)
        maps = self.method.level_maps(references, levels)
        losses = self.method.loss(maps, masks)
        scores = self.method.level_scores(references, levels, maps)
        return scores, losses, jnp.stack([jnp.isfinite(x).all() for x in (*maps, losses)])

    @property
    def _per_device(self) -> int:
        return -(-self.recipe.batch_size // parallel.mesh().size)
