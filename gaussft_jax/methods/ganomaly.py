"""GANomaly: how far the code of an image is from that of its reconstruction."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.gaussian import resize
from gaussft_jax.methods.autoencoder import code, decoded, halved, initial_coder, initial_decoder
from gaussft_jax.methods.encoder import Convolution, Encoder
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import image_map, rows

__all__ = ["GANomaly", "Generator", "Passed", "discriminator_loss", "generator_loss", "passed"]

_HALVINGS = 3
_SIDE = 32  # of the images, pixels
_FEATURES = 100


class Generator(NamedTuple):
    """Networks that code an image, reconstruct it from the code, and code the reconstruction."""

    coder: Encoder
    decoder: Encoder
    again: Encoder


@dataclasses.dataclass(frozen=True)
class GANomaly(Learner):
    """mean_d |z - z'|: z = E(x) is the code of an image, z' = E'(D(z)) that of its reconstruction.

    E, D and E' minimise |f(x) - f(D(z))|^2 + w |x - D(z)| + |z - z'|^2, each a mean over what it
    compares. f are the features of a discriminator C, which tells images from reconstructions: it
    minimises -log C(x) - log(1 - C(D(z))). The map has a single location, so that it says which
    image is anomalous, but not where.

    Differences from the source. Generator and discriminator take their steps at once, from the same
    sum of losses: each term's gradient reaches one of the two alone. Images are normalised, and of
    32 x 32 pixels; the networks have 4 layers of up to 64 channels, without batch normalisation,
    and D enlarges where the source convolves with strides. Few and large steps are taken, of 4
    images: Adam 1e-3 instead of 2e-4, 50 epochs instead of 15 of far more images.

    Attributes:
        weight: w, of the reconstruction.
        epochs: over the training images.
        seed: of weights and order.

    Reference:
        Akcay, Atapour-Abarghouei and Breckon, GANomaly: semi-supervised anomaly detection via
        adversarial training, 2018.
    """

    name: ClassVar[str] = "ganomaly"
    optimiser: ClassVar = optax.adam(1e-3, b1=0.5)
    parts: ClassVar = (Generator, Convolution)

    weight: float = option(50.0, "ganomaly_weight", "of the reconstruction in the loss", 0)
    epochs: int = option(50, "ganomaly_epochs", "passes of the networks over the images", 1)
    seed: int = option(0, "ganomaly_seed", "of the networks' weights and of the order", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: resize(levels[0], _SIDE, _SIDE))
        rng = np.random.default_rng(self.seed)
        coder, again = (initial_coder(rng, _HALVINGS, _FEATURES) for _ in range(2))
        generator = Generator(coder, initial_decoder(rng, _HALVINGS, _FEATURES), again)
        start = generator, initial_coder(rng, _HALVINGS, 1)
        return self.learnt(_loss, start, images, folder)[0]

    def level_maps(self, references, levels):
        found = passed(references, resize(levels[0], _SIDE, _SIDE))
        return (image_map(jnp.abs(found.codes - found.again).mean(1)),)


class Passed(NamedTuple):
    """What a generator makes of images: their codes, reconstructions, and the codes of those."""

    codes: Float[Array, "n d"]
    made: Float[Array, "n s s 3"]
    again: Float[Array, "n d"]


def passed(generator: Generator, images: Float[Array, "n s s 3"]) -> Passed:
    """Images coded, reconstructed and coded again."""
    codes = code(generator.coder, images)
    made = decoded(generator.decoder, codes)
    return Passed(codes, made, code(generator.again, made))


def generator_loss(
    discriminator: Encoder, images: Float[Array, "n s s 3"], found: Passed, weight: float
) -> Float[Array, " n"]:
    """|f(x) - f(D(z))|^2 + w |x - D(z)| + |z - z'|^2 of each image, float32 [n].

    Args:
        discriminator: whose features f are; all its layers but the last.
        images: x, float32 [n s s 3].
        found: from `passed`.
        weight: w.
    """
    features, remade = (halved(discriminator[:-1], x) for x in (images, found.made))
    return (
        jnp.square(features - remade).mean((1, 2, 3))
        + weight * jnp.abs(images - found.made).mean((1, 2, 3))
        + jnp.square(found.codes - found.again).mean(1)
    )


def discriminator_loss(
    discriminator: Encoder, images: Float[Array, "n s s 3"], made: Float[Array, "n s s 3"]
) -> Float[Array, " n"]:
    """-log C(x) - log(1 - C(D(z))) of each image and its reconstruction, float32 [n]."""
    real, fake = (code(discriminator, x)[:, 0] for x in (images, made))
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def _loss(method, networks, images, key) -> Float[Array, " n"]:
    generator, discriminator = networks
    found = passed(generator, images)
    # Each term is to change one of the two alone.
    fixed, made = lax.stop_gradient((discriminator, found.made))
    of_generator = generator_loss(fixed, images, found, method.weight)
    return of_generator + discriminator_loss(discriminator, images, made)
