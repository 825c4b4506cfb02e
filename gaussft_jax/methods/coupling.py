"""A normalising flow of affine couplings: an invertible map of features to standard normal ones."""

import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.learning import Lesson, learn
from gaussft_jax.methods.method import Method
from gaussft_jax.methods.pooled import Scaling, scaling

__all__ = ["Coupling", "Dense", "Flow", "Likelihood", "flow", "initial_flow", "learnt", "surprise"]

_CLAMP = 3.0  # of the logarithm of a factor


class Dense(NamedTuple):
    """A fully connected layer, float32 [i o] and [o]."""

    weights: Float[Array, "i o"]
    bias: Float[Array, " o"]


class Coupling(NamedTuple):
    """What each half of the features is changed by, given the other: two layers with a ReLU."""

    first: tuple[Dense, Dense]
    second: tuple[Dense, Dense]


Flow = tuple[Coupling, ...]


class Likelihood(NamedTuple):
    """The flow of standardised features, and what standardises them."""

    scaling: Scaling
    couplings: Flow


def initial_flow(seed: int, features: int, context: int, blocks: int, hidden: int) -> Flow:
    """Couplings that leave all features as they are, but for their order.

    Args:
        seed: of the weights.
        features: d, at least 2.
        context: further inputs of each half's layers.
        blocks: couplings.
        hidden: width of their layers.
    """
    rng = np.random.default_rng(seed)

    def layers(given: int, changed: int) -> tuple[Dense, Dense]:
        inputs = given + context
        weights = rng.normal(scale=math.sqrt(2 / inputs), size=(inputs, hidden))
        shapes = (hidden,), (hidden, 2 * changed), (2 * changed,)
        bias, last, last_bias = (jnp.zeros(shape, jnp.float32) for shape in shapes)
        return Dense(jnp.asarray(weights, jnp.float32), bias), Dense(last, last_bias)

    half = features // 2
    rest = features - half
    return tuple(Coupling(layers(rest, half), layers(half, rest)) for _ in range(blocks))


def flow(
    couplings: Flow,
    x: Float[Array, "*n d"],
    seed: int,
    context: Float[Array, "... k"] | None = None,
) -> tuple[Float[Array, "*n d"], Float[Array, " *n"]]:
    """The image z of features under the flow, and log |det dz/dx|.

    Each block permutes the features, then changes the first half by a factor and a summand that
    the second decides, then the second by those that the first decides. The logarithm of a factor
    is (2 c / pi) atan(s / c) with c = 3, so that it stays between -3 and 3.

    Args:
        couplings: from `initial_flow`, or learnt.
        x: features, float32 [... d].
        seed: of the fixed permutations.
        context: what the halves' layers see besides, float32 [... k].

    Returns:
        float32 [... d] and [...].

    Reference:
        Dinh, Sohl-Dickstein and Bengio, Density estimation using Real NVP, 2017.
    """
    rng, log_det = np.random.default_rng(seed), jnp.zeros_like(x[..., 0])

    def changed(half, given, layers):
        if context is not None:
            seen = jnp.broadcast_to(context, (*given.shape[:-1], context.shape[-1]))
            given = jnp.concatenate([given, seen], -1)
        s, t = jnp.split(_dense(layers[1], jnp.maximum(_dense(layers[0], given), 0)), 2, -1)
        s = 2 / math.pi * _CLAMP * jnp.arctan(s / _CLAMP)
        return half * jnp.exp(s) + t, s.sum(-1)

    d = x.shape[-1]
    for coupling in couplings:
        x = jnp.take(x, rng.permutation(d), axis=-1)
        a, b = x[..., : d // 2], x[..., d // 2 :]
        a, of_a = changed(a, b, coupling.first)
        b, of_b = changed(b, a, coupling.second)
        x, log_det = jnp.concatenate([a, b], -1), log_det + of_a + of_b
    return x, log_det


def surprise(
    couplings: Flow,
    x: Float[Array, "*n d"],
    seed: int,
    context: Float[Array | np.ndarray, "... k"],
) -> Float[Array, " *n"]:
    """(|z|^2 / 2 - log |det dz/dx|) / d: -log p(x) of each feature, but for a constant.

    Args:
        couplings: as for `flow`, as are the others.
        x: float32 [... d].
        seed: of the permutations.
        context: float32 [... k]; k is 0 where there is none.
    """
    seen = jnp.asarray(context) if context.shape[-1] else None
    z, log_det = flow(couplings, x, seed, seen)
    return (jnp.square(z).sum(-1) / 2 - log_det) / x.shape[-1]


def learnt(
    method: Method,
    features: Float[np.ndarray, "n d"],
    context: Float[np.ndarray, "n k"],
    optimiser: optax.GradientTransformation,
    batch_size: int,
    folder: Path | None,
) -> Likelihood:
    """The flow under which features, with noise added to them, surprise least.

    Args:
        method: with the options `blocks`, `hidden`, `noise`, `epochs` and `seed`.
        features: of good images.
        context: of each of them; k is 0 where there is none.
        optimiser: as for `learning.Lesson`.
        batch_size: likewise.
        folder: as for `learning.learn`.

    Raises:
        NotFiniteError: as for `learning.learn`.
    """
    scale = scaling(features)
    sizes = features.shape[1], context.shape[1]
    start = initial_flow(method.seed, *sizes, method.blocks, method.hidden)
    lesson = Lesson(method, _loss, optimiser, method.epochs, batch_size)
    examples = scale(features), context
    couplings = learn(lesson, start, examples, method.seed, label=method.name, folder=folder)
    return Likelihood(scale, couplings)


def _loss(method, couplings, examples, key) -> Float[Array, " n"]:
    x, context = examples
    noise = method.noise * jax.random.normal(key, x.shape)
    return surprise(couplings, x + noise, method.seed, context)


def _dense(layer: Dense, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
    return jnp.matmul(x, layer.weights, precision=lax.Precision.HIGHEST) + layer.bias
