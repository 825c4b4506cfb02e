"""Parameters learnt from examples on the device: epochs in lax.while_loop, steps in lax.scan.

A method that learns its references says what an example costs, and by which optimiser; the loop is
here. What tuning a network has in common with it is here as well.
"""

import functools
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray
from tqdm import tqdm

from gaussft_jax.arrays import digest_of, load_arrays, save_arrays

__all__ = ["Lesson", "NotFiniteError", "in_batches", "learn", "shuffled", "where"]

_CALLS = 20  # of the compiled loop, between which progress is shown and the state is kept


class NotFiniteError(ArithmeticError):
    """Training met a value that is not finite."""


class Lesson(NamedTuple):
    """What is learnt, and how; equal lessons are compiled once.

    Attributes:
        key: what the loss depends on, hashable: a method for example.
        loss: (key, parameters, examples, random key) -> the loss of each example, float32 [b].
        optimiser: equal only to itself: one object for all lessons that are compiled once.
        epochs: passes over the examples.
        batch_size: examples of a step; the last step of an epoch has what is left.
    """

    key: Hashable
    loss: Callable[[Any, Any, Any, PRNGKeyArray], Float[Array, " b"]]
    optimiser: optax.GradientTransformation
    epochs: int
    batch_size: int


class _State(NamedTuple):
    """What goes from epoch to epoch; the random numbers of one follow from its number."""

    epoch: Int32[Array, ""]
    parameters: Any
    optimiser: Any
    loss: Float[Array, ""]


def learn(
    lesson: Lesson,
    parameters: Any,
    examples: Any,
    seed: int,
    label: str = "learn",
    folder: str | Path | None = None,
) -> Any:
    """The parameters after the lesson.

    Args:
        lesson: what is learnt.
        parameters: to begin with, a pytree of float arrays.
        examples: a pytree of arrays [n ...].
        seed: of the order of the examples and of what the loss draws.
        label: of the progress bar.
        folder: keeps the state as long as the lesson lasts, so that the same lesson, begun again
            from the same parameters, examples and seed, goes on where it was stopped. Another one
            has a file of another name. None keeps nothing.

    Raises:
        NotFiniteError: the loss, or a parameter, ceased to be finite; names the epoch.
    """
    key, start = jax.random.key(seed), lesson.optimiser.init(parameters)
    state = _State(jnp.int32(0), parameters, start, jnp.float32(0))
    file = folder and Path(folder, _name(lesson, (parameters, examples, seed)))
    if file and file.exists():
        state = _read(file, state)
    with tqdm(total=lesson.epochs, desc=label, unit=" epochs") as bar:
        while state.epoch < lesson.epochs:
            until = int(state.epoch) + max(1, lesson.epochs // _CALLS)
            state = _epochs(lesson, state, examples, key, min(until, lesson.epochs))
            if not np.isfinite(state.loss):
                raise NotFiniteError(
                    f"{label}, epoch {int(state.epoch)}: the loss ceased to be finite. Do the "
                    "features hold NaN?"
                )
            bar.update(int(state.epoch) - bar.n)
            bar.set_postfix(loss=f"{float(state.loss):.4g}")
            if file:
                save_arrays(file, {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(state))})
    if file:
        file.unlink(missing_ok=True)
    return state.parameters


def shuffled(
    key: PRNGKeyArray, n: int, batch: int
) -> tuple[Int32[Array, "k {batch}"], Bool[Array, "k {batch}"]]:
    """All of n places in random order, in batches, and which do not only fill up the last."""
    return in_batches(jax.random.permutation(key, n), batch)


def in_batches(
    order: Int32[Array, " n"], batch: int
) -> tuple[Int32[Array, "k {batch}"], Bool[Array, "k {batch}"]]:
    """Places in batches, and which do not only fill up the last."""
    n = len(order)
    steps = -(-n // batch)
    places = jnp.pad(order, (0, steps * batch - n))
    valid = jnp.arange(steps * batch) < n
    return places.reshape(steps, batch), valid.reshape(steps, batch)


def where(condition: Bool[Array, ""], a: Any, b: Any) -> Any:
    """Of two pytrees the one or the other."""
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)


def _name(lesson: Lesson, given: Any) -> str:
    """Of a state's file: a digest of what the state follows from, but for the optimiser."""
    loss = lesson.loss.__module__, lesson.loss.__qualname__  # its address says nothing
    return f"{digest_of(given, lesson._replace(loss=loss, optimiser=None)).hex()}.safetensors"


def _read(file: Path, like: _State) -> _State:
    leaves, structure = jax.tree.flatten(like)
    arrays = load_arrays(file)
    return structure.unflatten(
        jnp.asarray(arrays[str(i)].reshape(leaf.shape)) for i, leaf in enumerate(leaves)
    )


@functools.partial(jax.jit, static_argnums=0)
def _epochs(lesson, state, examples, key, until):
    n = len(jax.tree.leaves(examples)[0])

    def step(carry, xs):
        parameters, state = carry
        places, valid, key = xs

        def mean(parameters):
            chosen = jax.tree.map(lambda x: x[places], examples)
            losses = lesson.loss(lesson.key, parameters, chosen, key)
            return jnp.where(valid, losses, 0).sum() / valid.sum()

        loss, gradient = jax.value_and_grad(mean)(parameters)
        updates, state = lesson.optimiser.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), loss * valid.sum()

    def epoch(state):
        order_key, loss_key = jax.random.split(jax.random.fold_in(key, state.epoch))
        places, valid = shuffled(order_key, n, lesson.batch_size)
        keys = jax.random.split(loss_key, len(places))
        carry = state.parameters, state.optimiser
        (parameters, optimised), losses = lax.scan(step, carry, (places, valid, keys))
        # No loss tells yet what the last step made of the parameters.
        finite = jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(parameters)]).all()
        loss = jnp.where(finite, losses.sum() / n, jnp.nan)
        return _State(state.epoch + 1, parameters, optimised, loss)

    return lax.while_loop(
        lambda state: (state.epoch < until) & jnp.isfinite(state.loss), epoch, state
    )
