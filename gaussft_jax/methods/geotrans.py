"""GeoTrans: how usual the guesses are of a network that tells by what an image was transformed."""

import dataclasses
import itertools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import digamma, gammaln, polygamma

from gaussft_jax.gaussian import resize
from gaussft_jax.methods.encoder import (
    Convolution,
    Encoder,
    initial,
    initial_dense,
    layered,
    of_each,
    rectified,
)
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import image_map, rows

__all__ = [
    "Block",
    "Dirichlets",
    "GeoTrans",
    "Network",
    "dirichlet",
    "guesses",
    "initial_network",
    "log_likelihood",
    "transformed",
]

_SIDE = 32  # of the images, pixels
_SHIFT = 8  # pixels
_KINDS = 72
_WIDTHS = (16, 32, 64)
_DRAWN = 9  # transformations of an image in a step


class Block(NamedTuple):
    """Two layers, and the one of a single location that what they see takes past them."""

    layers: Encoder
    past: Encoder


class Network(NamedTuple):
    """The first layer, residual blocks, and the layer from the mean of all locations to guesses."""

    first: Encoder
    blocks: tuple[Block, ...]
    last: Encoder


class Dirichlets(NamedTuple):
    """Distributions of the guesses about images transformed in each way.

    Attributes:
        concentration: float32 [72 72], a row for each transformation.
        log_normaliser: log Gamma(sum of concentrations) - sum of their log Gamma, float32 [72].
    """

    concentration: Float[Array, "k k"]
    log_normaliser: Float[Array, " k"]


class Guesser(NamedTuple):
    """A network, and what it usually guesses."""

    network: Network
    usual: Dirichlets


@dataclasses.dataclass(frozen=True)
class GeoTrans(Learner):
    """-mean_t log p_t(y(t(x))) over 72 transformations t of an image x.

    y are the probabilities that a network gives to the transformations; it minimises -log y_t(t(x))
    of good images. p_t is the Dirichlet distribution that makes the y(t(x)) of good images
    likeliest. A transformation mirrors or not, moves by a quarter of the side up, down or not and
    left, right or not, and turns by a multiple of 90 degrees. The map has a single location, so
    that it says which image is anomalous, but not where.

    Differences from the source. The network has three residual blocks of 16 to 64 channels at a
    half, a quarter and an eighth of 32 pixels, without batch normalisation, instead of a Wide
    ResNet of depth 10 and width 4. A step sees 9 of the 72 transformations of 8 images, drawn at
    random. The mean takes the place of the sum.

    Attributes:
        epochs: over the training images.
        seed: of weights, order and transformations.

    Reference:
        Golan and El-Yaniv, Deep anomaly detection using geometric transformations, 2018; Minka,
        Estimating a Dirichlet distribution, 2000.
    """

    name: ClassVar[str] = "geotrans"
    batch_size: ClassVar[int] = 8
    parts: ClassVar = (Guesser, Network, Block, Dirichlets, Convolution)

    epochs: int = option(20, "geotrans_epochs", "passes of the network over the images", 1)
    seed: int = option(0, "geotrans_seed", "of weights, order and transformations", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: resize(levels[0], _SIDE, _SIDE))
        start = initial_network(np.random.default_rng(self.seed))
        network = self.learnt(_loss, start, images, folder)
        found = of_each(_guesses_of_all, network, images)
        return Guesser(network, dirichlet(np.asarray(found, np.float64).mean(0)))

    def level_maps(self, references, levels):
        found = _guesses_of_all(references.network, resize(levels[0], _SIDE, _SIDE))
        return (image_map(-log_likelihood(references.usual, found).mean(1)),)


def transformed(images: Float[Array, "n s s c"], shift: int) -> Float[Array, "n 72 s s c"]:
    """Each image mirrored or not, moved, and turned: the last of these three changes fastest.

    Args:
        images: float32 [n s s c].
        shift: by how much it is moved, pixels; mirrored pixels come in at the border.
    """
    n, side, _, c = images.shape
    found = jnp.take(images.reshape(n, -1, c), _places(side, shift), axis=1, mode="clip")
    return found.reshape(n, _KINDS, side, side, c)


def _places(side: int, shift: int) -> Int[np.ndarray, "72 p"]:
    """Which pixel of an image each pixel of its transformations is."""
    image, found = np.arange(side**2).reshape(side, side), []
    for flipped in (image, image[:, ::-1]):
        wide = np.pad(flipped, shift, "symmetric")
        for y, x in itertools.product((0, shift, 2 * shift), repeat=2):
            moved = wide[y : y + side, x : x + side]
            found += [np.rot90(moved, turns).ravel() for turns in range(4)]
    return np.stack(found)


def initial_network(rng: np.random.Generator) -> Network:
    """Random weights."""
    widths = (3, _WIDTHS[0], *_WIDTHS)
    first = initial(rng, (3,), widths[:2])
    blocks = tuple(
        Block(initial(rng, (3, 3), (given, found, found)), initial_dense(rng, given, found))
        for given, found in itertools.pairwise(widths[1:])
    )
    return Network(first, blocks, initial_dense(rng, _WIDTHS[-1], _KINDS))


def guesses(network: Network, images: Float[Array, "n s s 3"]) -> Float[Array, "n 72"]:
    """Log y: the logarithms of the probabilities of the transformations, float32 [n 72]."""
    x = layered(network.first, images, (2,), pad=1)
    for number, (layers, past) in enumerate(network.blocks):
        stride = 2 if number else 1
        x = rectified(x)
        x = (layered(layers, x, (stride, 1), pad=1) + layered(past, x, (stride,))) / 2**0.5
    pooled = rectified(x).mean((1, 2), keepdims=True)
    return jax.nn.log_softmax(layered(network.last, pooled, (1,))[:, 0, 0])


def dirichlet(mean_logs: Float[np.ndarray, "k d"]) -> Dirichlets:
    """The likeliest distributions of samples, each told by the mean of their logarithms, float64.

    The concentrations a solve digamma(a_i) = digamma(s) + mean log y_i, s = sum_i a_i: Newton's
    method for s, from above. Samples that are all alike are taken for those of an s of 5e5 times d.
    """
    total = np.exp(mean_logs).sum(1, keepdims=True)  # below 1 by Jensen's inequality
    logs = mean_logs - np.log(np.maximum(total / (1 - 1e-6), 1))
    s = mean_logs.shape[1] / 2 / (1 - np.exp(logs).sum(1, keepdims=True))  # an upper bound
    for _ in range(50):
        a = _inverse_digamma(digamma(s) + logs)
        slope = polygamma(1, s) * (1 / polygamma(1, a)).sum(1, keepdims=True) - 1
        s = np.maximum(s - (a.sum(1, keepdims=True) - s) / slope, s / 10)
    normaliser = gammaln(a.sum(1)) - gammaln(a).sum(1)
    return Dirichlets(*(jnp.asarray(x, jnp.float32) for x in (a, normaliser)))


def _inverse_digamma(y: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    x = np.where(y > -2.22, np.exp(y) + 0.5, -1 / (y - digamma(1)))
    for _ in range(5):
        x -= (digamma(x) - y) / polygamma(1, x)
    return x


def log_likelihood(usual: Dirichlets, logs: Float[Array, "n k d"]) -> Float[Array, "n k"]:
    """Log p_t(y) = sum_i (a_ti - 1) log y_i + the logarithm of p_t's normaliser, float32 [n k].

    Args:
        usual: from `dirichlet`.
        logs: log y, float32 [n k d].
    """
    # The sum of products in one: OpenVINO takes that of a product for another one's.
    powers = jnp.einsum("nkd,kd->nk", logs, usual.concentration - 1, precision="highest")
    return powers + usual.log_normaliser


def _loss(method, network, images, key) -> Float[Array, " n"]:
    n = len(images)
    drawn = jax.random.randint(key, (n, _DRAWN), 0, _KINDS)
    chosen = transformed(images, _SHIFT)[jnp.arange(n)[:, None], drawn]
    logs = guesses(network, chosen.reshape(n * _DRAWN, *images.shape[1:]))
    right = jnp.take_along_axis(logs, drawn.reshape(-1, 1), 1)
    return -right.reshape(n, _DRAWN).mean(1)


def _guesses_of_all(network, images) -> Float[Array, "n 72 72"]:
    everything = transformed(images, _SHIFT).reshape(-1, *images.shape[1:])
    return guesses(network, everything).reshape(-1, _KINDS, _KINDS)
