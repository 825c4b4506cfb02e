"""What is learnt, against the same steps taken one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import stop_learning

from gaussft_jax import learning, training
from gaussft_jax.learning import Lesson, learn


def _loss(noise, line, examples, key):
    x, y = examples
    x = x + noise * jax.random.normal(key, x.shape)
    return jnp.square(x @ line["slope"] + line["offset"] - y)


_SLOWING = optax.adam(optax.cosine_decay_schedule(0.1, 150))


def _line(rng, n=11):
    x = rng.normal(size=(n, 3)).astype(np.float32)
    y = x @ np.float32([1, -2, 3]) + 1 + rng.normal(scale=0.1, size=n).astype(np.float32)
    return {"slope": jnp.zeros(3), "offset": jnp.float32(0)}, (x, y)


def test_the_loop_takes_the_steps_of_a_plain_one(rng):
    """11 examples in batches of 4, whose last has 3."""
    lesson = Lesson(0.1, _loss, _SLOWING, 50, 4)
    line, examples = _line(rng)
    learnt = learn(lesson, line, examples, seed=3)

    state = _SLOWING.init(line)
    for epoch in range(50):
        order, noise = jax.random.split(jax.random.fold_in(jax.random.key(3), epoch))
        order = np.asarray(jax.random.permutation(order, 11))
        for i, key in enumerate(jax.random.split(noise, 3)):
            filled = np.pad(order, (0, 1))[4 * i : 4 * i + 4]
            batch = jax.tree.map(lambda x, filled=filled: x[filled], examples)
            real = min(4, 11 - 4 * i)

            def mean(line, batch=batch, key=key, real=real):
                return _loss(0.1, line, batch, key)[:real].mean()

            updates, state = _SLOWING.update(jax.grad(mean)(line), state, line)
            line = optax.apply_updates(line, updates)
    for name, expected in line.items():
        np.testing.assert_allclose(learnt[name], expected, rtol=1e-4)


def _squared(key, number, examples, random):
    return jnp.square(number - examples)


def test_a_loss_that_is_not_finite_is_named(rng):
    line, (x, y) = _line(rng)
    y[4] = np.nan
    with pytest.raises(training.NotFiniteError, match="lines, epoch 1: the loss ceased to be"):
        learn(Lesson(0.0, _loss, _SLOWING, 5, 4), line, (x, y), 0, label="lines")


def test_a_last_step_that_is_not_finite_is_named():
    lesson = Lesson(None, _squared, optax.scale(np.inf), 1, 8)
    with pytest.raises(training.NotFiniteError, match="learn, epoch 1"):
        learn(lesson, jnp.float32(0), np.full(8, 2, np.float32), 0)


def test_what_was_stopped_goes_on_to_the_same_bits(rng, tmp_path, monkeypatch):
    lesson = Lesson(0.1, _loss, _SLOWING, 50, 4)
    line, examples = _line(rng)
    whole = learn(lesson, line, examples, 3)

    saved = stop_learning(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        learn(lesson, line, examples, 3, folder=tmp_path)
    (file,) = tmp_path.iterdir()

    saved.clear()
    monkeypatch.setattr(learning, "_CALLS", 1)  # all that is left in one call
    later = learn(lesson, line, examples, 3, folder=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, later, whole)
    assert saved == [50]
    assert not file.exists()


def test_what_was_stopped_is_taken_up_by_nothing_else(rng, tmp_path, monkeypatch):
    """Neither with another key, length, start, seed or other examples."""
    line, (x, y) = _line(rng)
    given = {"lesson": Lesson(0.1, _loss, _SLOWING, 20, 4), "parameters": line,
             "examples": (x, y), "seed": 3}  # fmt: skip
    begun = []
    monkeypatch.setattr(learning, "save_arrays", lambda file, _: begun.append(file.name))
    monkeypatch.setattr(learning, "_epochs", lambda _, state, *__: state._replace(epoch=21))
    for other in (
        {},
        {"lesson": given["lesson"]._replace(key=0.2)},
        {"lesson": given["lesson"]._replace(epochs=21)},
        {"parameters": {**line, "offset": jnp.float32(1)}},
        {"examples": (x, y + 1)},
        {"seed": 4},
        {},
    ):
        learn(**{**given, **other}, folder=tmp_path)
    assert len(set(begun)) == 6
    assert begun[0] == begun[-1]


def test_every_place_comes_once(rng):
    places, valid = learning.shuffled(jax.random.key(0), 11, 4)
    assert places.shape == valid.shape == (3, 4)
    np.testing.assert_array_equal(np.sort(places[valid]), np.arange(11))
