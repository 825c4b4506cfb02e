"""Attention of variational autoencoders: where an image is that its latent mean answers to."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import resize
from gaussft_jax.methods.autoencoder import code, decoded, halved, initial_coder, initial_decoder
from gaussft_jax.methods.encoder import SLOPE, Convolution, Encoder, rectified
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import rows

__all__ = ["CAVGA", "VAE", "VAEAttention", "attention", "divergence", "negative_elbo"]

_HALVINGS = 4
_SIDE = 64  # of the images, pixels
_LATENT = 32
_SEEN = 2  # layers up to the features that attention is paid to, of stride 4


class VAE(NamedTuple):
    """Networks from an image to mean and log variance, side by side, and from a latent back."""

    coder: Encoder
    decoder: Encoder


@dataclasses.dataclass(frozen=True)
class VAEAttention(Learner):
    """mean_i ReLU(sum_k a_ik F_k) at each location, a_ik = sum over locations of d mu_i / d F_k.

    F_k are the rectified features of stride 4 of the encoder of a variational autoencoder, mu_i the
    latent means that it makes of them. It maximises the evidence lower bound of good images.

    Differences from the source. It draws a latent from the difference between an image's
    distribution and that of the good ones, and explains that; here all means of the image itself
    are explained, and gradients are added over locations, not averaged. Images have 64 x 64 pixels,
    the networks 5 layers of up to 128 channels instead of a ResNet-18, and the decoder enlarges.
    Steps are of 4 images, Adam 1e-3.

    Attributes:
        epochs: over the training images.
        seed: of weights, order and latents.

    Reference:
        Liu et al., Towards visually explaining variational autoencoders, 2020.
    """

    name: ClassVar[str] = "vae_attention"
    parts: ClassVar = (VAE, Convolution)

    epochs: int = option(40, "vae_attention_epochs", "passes over the good images", 1)
    seed: int = option(0, "vae_attention_seed", "of weights, order and latents", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: resize(levels[0], _SIDE, _SIDE))
        rng = np.random.default_rng(self.seed)
        coder = initial_coder(rng, _HALVINGS, 2 * _LATENT)
        start = VAE(coder, initial_decoder(rng, _HALVINGS, _LATENT))
        return self.learnt(type(self)._loss, start, images, folder)

    def level_maps(self, references, levels):
        return (attention(references.coder, resize(levels[0], _SIDE, _SIDE)),)

    def _loss(self, vae, images, key) -> Float[Array, " n"]:
        return negative_elbo(vae, images, jax.random.normal(key, (len(images), _LATENT)))


@dataclasses.dataclass(frozen=True)
class CAVGA(VAEAttention):
    """1 - sigmoid(A) at each location: A is the attention of `VAEAttention`.

    The autoencoder minimises its loss + w mean (1 - sigmoid(A)): the attention of a good image is
    to cover it all.

    Differences from the source, CAVGA-R_u. Its latent has a location for each of the features', its
    encoder is a ResNet-18, a discriminator judges the reconstructions. Here the autoencoder is that
    of `VAEAttention`, without a discriminator.

    Attributes:
        expansion: w.
        epochs: over the training images.
        seed: of weights, order and latents.

    Reference:
        Venkataramanan, Peng, Singh and Mahalanobis, Attention guided anomaly localization in
        images, 2020.
    """

    name: ClassVar[str] = "cavga"

    expansion: float = option(0.01, "cavga_expansion", "of the loss that widens attention", 0)
    epochs: int = option(20, "cavga_epochs", "passes over the good images", 1)
    seed: int = option(0, "cavga_seed", "of weights, order and latents", 0)

    def level_maps(self, references, levels):
        (found,) = super().level_maps(references, levels)
        return (jax.nn.sigmoid(-found),)

    def _loss(self, vae, images, key) -> Float[Array, " n"]:
        left = jax.nn.sigmoid(-attention(vae.coder, images)).mean((1, 2))
        return super()._loss(vae, images, key) + self.expansion * left


def negative_elbo(
    vae: VAE, images: Float[Array, "n s s 3"], noise: Float[Array, "n d"]
) -> Float[Array, " n"]:
    """(|x - D(mu + sigma noise)|^2 / 2 + KL(N(mu, sigma^2) || N(0, I))) / number of values in x.

    Up to a constant the negative evidence lower bound of each value of an image, float32 [n].

    Args:
        vae: D is its decoder.
        images: x, float32 [n s s 3].
        noise: standard normal, float32 [n d].
    """
    mean, log_variance = jnp.split(code(vae.coder, images), 2, -1)
    made = decoded(vae.decoder, mean + jnp.exp(log_variance / 2) * noise)
    error = jnp.square(images - made).sum((1, 2, 3)) / 2
    return (error + divergence(mean, log_variance)) / images[0].size


def divergence(mean: Float[Array, "n d"], log_variance: Float[Array, "n d"]) -> Float[Array, " n"]:
    """KL(N(mean, variance) || N(0, I)), float32 [n]."""
    return (jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1).sum(-1) / 2


def attention(coder: Encoder, images: Float[Array, "n s s 3"]) -> Float[Array, "n h w"]:
    """mean_i ReLU(sum_k a_ik F_k) of each location, float32 [n h w]; see `VAEAttention`.

    a_ik is by how much mu_i grows where F_k grows by 1 everywhere. That growth is followed through
    the layers above F, beside the features themselves, so that a loss of it can be derived again.
    """
    features = rectified(halved(coder[:_SEEN], images))
    _, h, w, c = features.shape
    x = features
    growth = jnp.broadcast_to(jnp.eye(c)[None, :, None, None], (1, c, h, w, c))
    for layer in coder[_SEEN:-1]:
        x, growth = halved((layer,), x), _grown(layer, growth)
        growth = growth * jnp.where(x < 0, SLOPE, 1)[:, None]
        x = rectified(x)
    to_means = coder[-1].kernel[..., : coder[-1].bias.size // 2]
    shares = jnp.einsum("nkpqc,pqci->nki", growth, to_means, precision="highest")
    found = jnp.einsum("nhwk,nki->nhwi", features, shares, precision="highest")
    return jnp.maximum(found, 0).mean(-1)


def _grown(layer: Convolution, growth: Float[Array, "n k h w c"]) -> Float[Array, "n k p q d"]:
    """By how much the layer's outputs grow."""
    k, *shape = growth.shape[1:]
    unbiased = layer._replace(bias=jnp.zeros_like(layer.bias))
    found = halved((unbiased,), growth.reshape(-1, *shape))
    return found.reshape(-1, k, *found.shape[1:])
