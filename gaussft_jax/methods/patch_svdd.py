"""Patch SVDD: distance to the nearest good patch, as a network sees it that tells places apart."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import safe_sqrt
from gaussft_jax.lowering import each
from gaussft_jax.memory import coreset, nearest_distance
from gaussft_jax.methods.encoder import (
    PATCH,
    STRIDE,
    Convolution,
    Encoder,
    cut,
    dense,
    encode,
    initial_dense,
    initial_encoder,
    of_each,
    rectified,
    surrounded,
)
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import rows

__all__ = ["DIRECTIONS", "PatchSVDD", "Patches", "cross_entropy", "initial_classifier"]

_FEATURES = 64
_HIDDEN = 128  # of the classifier
_SIDE = 2 * PATCH  # of the larger patch, pixels
_APART = PATCH // STRIDE  # the quarters of a larger patch, locations
_AWAY = (3, 6)  # a neighbour whose direction is to be told, of each size, locations
_NEAR = 2  # a neighbour that is to look alike, pixels
DIRECTIONS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
"""Down and to the right, of the eight neighbours."""


class Patches(NamedTuple):
    """What is kept of the good patches, smaller and larger ones.

    Attributes:
        encoder: of the smaller.
        larger: layers that make one feature of those of a larger patch's quarters.
        banks: features of each size, float32 [k d].
    """

    encoder: Encoder
    larger: Encoder
    banks: tuple[Float[Array, "k d"], Float[Array, "k d"]]


@dataclasses.dataclass(frozen=True)
class PatchSVDD(Learner):
    """The distance to the nearest good patch of 32 pixels, times that to the nearest of 64.

    The encoder f minimises, for both sizes, CE + lambda |f(p) - f(p')|: p' is p moved by up to 2
    pixels, CE the cross-entropy of which of 8 directions a neighbour, three quarters of a patch
    away, lies in. A classifier that is learnt beside f tells it from f of both.

    Differences from the source. It draws single patches; here all of an image at every 8 pixels,
    with a random start, are encoded at once. The encoder has 5 layers of up to 64 channels, the
    classifier one hidden layer instead of two, colours are not perturbed, and the banks are
    coresets. Few and large steps are taken: Adam 1e-3 instead of 1e-4, 10 epochs instead of 300.

    Attributes:
        weight: lambda.
        bank: patches of each size to keep.
        epochs: over the training images.
        seed: of weights, order, places and banks.

    Reference:
        Yi and Yoon, Patch SVDD: patch-level SVDD for anomaly detection and segmentation, 2020.
    """

    name: ClassVar[str] = "patch_svdd"
    parts: ClassVar = (Patches, Convolution)

    weight: float = option(1e-3, "patch_svdd_lambda", "of the distance between near patches", 0)
    bank: int = option(4096, "patch_svdd_bank", "good patches of each size to keep", 1)
    epochs: int = option(10, "patch_svdd_epochs", "passes of the encoder over the images", 1)
    seed: int = option(0, "patch_svdd_seed", "of weights, order, places and kept patches", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: levels[0])
        rng = np.random.default_rng(self.seed)
        larger = initial_dense(rng, 4 * _FEATURES, _FEATURES, _FEATURES)
        encoders = initial_encoder(rng, _FEATURES), larger
        start = encoders, tuple(initial_classifier(rng, _FEATURES) for _ in range(2))
        encoders, _ = self.learnt(_loss, start, images, folder)
        features = of_each(_features, encoders, images)
        return Patches(*encoders, tuple(map(self._kept, features)))

    def _kept(self, features: Float[Array, "n h w d"]) -> Float[Array, "k d"]:
        found = features.reshape(-1, features.shape[-1])
        return found[coreset(found, self.bank, jax.random.key(self.seed))]

    def level_maps(self, references, levels):
        def distances(features):
            h, w, d = features[0].shape
            smaller, larger = (
                nearest_distance(x.reshape(h * w, d), bank)
                for x, bank in zip(features, references.banks, strict=True)
            )
            return (smaller * larger).reshape(h, w)

        return (each(distances, _features((references.encoder, references.larger), levels[0])),)


def _features(encoders, images) -> tuple[Float[Array, "n h w d"], Float[Array, "n h w d"]]:
    """Of the smaller and the larger patch around each 8 x 8 pixels."""
    around = (_SIDE - PATCH) // 2 // STRIDE
    smaller, larger = _encoded(encoders, surrounded(images, _SIDE))
    return smaller[:, around:-around, around:-around], larger


def _encoded(encoders, surrounded) -> tuple[Float[Array, "n h w d"], Float[Array, "n p q d"]]:
    encoder, larger = encoders
    smaller = encode(encoder, surrounded)
    top, bottom = smaller[:, :-_APART], smaller[:, _APART:]
    quarters = [x for half in (top, bottom) for x in (half[:, :, :-_APART], half[:, :, _APART:])]
    return smaller, dense(larger, rectified(jnp.concatenate(quarters, -1)))


def _loss(method, learnt, images, key) -> Float[Array, " n"]:
    encoders, classifiers = learnt
    whole, n = surrounded(images, _SIDE + 2 * STRIDE), len(images)
    h, w = (length - 2 * STRIDE for length in whole.shape[1:3])
    start_key, moved_key = jax.random.split(key)
    start = jax.random.randint(start_key, (n, 2), _NEAR, 2 * STRIDE - _NEAR + 1)
    moved = start + jax.random.randint(moved_key, (n, 2), -_NEAR, _NEAR + 1)
    corners = jnp.concatenate([start, moved])
    features = _encoded(encoders, cut(jnp.concatenate([whole, whole]), corners, h, w))
    loss = jnp.zeros(n)
    for of_size, classifier, away in zip(features, classifiers, _AWAY, strict=True):
        here, near = jnp.split(of_size, 2)
        apart = safe_sqrt(jnp.square(here - near).sum(-1)).mean((1, 2))
        loss += cross_entropy(classifier, here, away) + method.weight * apart
    return loss


def initial_classifier(rng: np.random.Generator, features: int) -> Encoder:
    """Random weights: one layer of each of two patches, one of both to the directions."""
    both = initial_dense(rng, features, 2 * _HIDDEN)
    return both + initial_dense(rng, _HIDDEN, len(DIRECTIONS))


def cross_entropy(
    classifier: Encoder, features: Float[Array, "n h w d"], away: int
) -> Float[Array, " n"]:
    """-log p(direction | f(p), f(q)), mean over all pairs (p, q) in an image, float32 [n].

    Args:
        classifier: its first layer makes of a location's features those of it as p, then as q.
        features: float32 [n h w d].
        away: rows and columns from p to q, in one of eight `DIRECTIONS`; fewer in small images.
    """
    first, last = classifier
    here, there = jnp.split(dense((first,), features), 2, -1)
    h, w = features.shape[1:3]
    away = min(away, h - 1, w - 1)
    losses = []
    for number, (y, x) in enumerate(DIRECTIONS):
        pairs = _inside(here, y * away, x * away) + _inside(there, -y * away, -x * away)
        fractions = jax.nn.log_softmax(dense((last,), rectified(pairs)))
        losses.append(-fractions[..., number].mean((1, 2)))
    return sum(losses) / len(losses)


def _inside(x: Float[Array, "n h w d"], down: int, right: int) -> Float[Array, "n p q d"]:
    """The locations from which one so far down and to the right is inside."""
    h, w = x.shape[1:3]
    return x[:, max(-down, 0) : h - max(down, 0), max(-right, 0) : w - max(right, 0)]
