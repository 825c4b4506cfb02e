"""ARNet: what a network cannot restore that knows the good images, from a grey and turned one."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.methods.encoder import Convolution, of_each
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import rows
from gaussft_jax.methods.unet import UNet, initial_unet, reduced, restored

__all__ = ["ARNet", "Restorer", "erased"]


class Restorer(NamedTuple):
    """The U-Net, and its mean error on the training images from each rotation, float32 [r]."""

    unet: UNet
    usual: Float[Array, " r"]


@dataclasses.dataclass(frozen=True)
class ARNet(Learner):
    """mean over r of |x - f(r(x))| / e_r at each pixel: f restores x from r(x), grey and rotated.

    r(x) is the mean of the colours, rotated by 0, 90, 180 or 270 degrees. The U-Net f minimises
    |x - f(r(x))|, mean over pixels and colours, r drawn at random; e_r is that of r on the
    training images. The score of an image is the mean of its map.

    Differences from the source. There the U-Net has up to 512 channels and batch normalisation;
    here up to 64 and none, and images have 64 pixels at most. It takes few and large steps: Adam
    1e-3, 30 epochs. An image that is not square is rotated by 0 and 180 degrees alone.

    Attributes:
        epochs: over the training images.
        seed: of weights, order and rotations.

    Reference:
        Ye, Huang, Cao, Li, Zhang and Lu, Attribute restoration framework for anomaly detection,
        2020.
    """

    name: ClassVar[str] = "arnet"
    parts: ClassVar = (Restorer, UNet, Convolution)
    aggregation = "mean"

    epochs: int = option(30, "arnet_epochs", "passes of the U-Net over the images", 1)
    seed: int = option(0, "arnet_seed", "of weights, order and rotations", 0)

    def fit(self, batches, folder=None):
        images = rows(batches, lambda levels: reduced(levels[0]))
        start = initial_unet(np.random.default_rng(self.seed), 1)
        unet = self.learnt(_loss, start, images, folder)
        return Restorer(unet, of_each(_errors, unet, images).mean((0, 2, 3)))

    def level_maps(self, references, levels):
        errors = _errors(references.unet, reduced(levels[0]))
        return ((errors / references.usual[:, None, None]).mean(1),)


def erased(images: Float[Array, "n h w 3"]) -> Float[Array, "r n h w 1"]:
    """Images without colours, in each rotation, by a right angle or two, that keeps their shape."""
    grey = images.mean(-1, keepdims=True)
    turns = range(4) if grey.shape[1] == grey.shape[2] else (0, 2)
    return jnp.stack([jnp.rot90(grey, turn, (1, 2)) for turn in turns])


def _loss(method, unet, images, key) -> Float[Array, " n"]:
    inputs, n = erased(images), len(images)
    chosen = inputs[jax.random.randint(key, (n,), 0, len(inputs)), jnp.arange(n)]
    return jnp.abs(images - restored(unet, chosen)).mean((1, 2, 3))


def _errors(unet, images) -> Float[Array, "n r h w"]:
    found = jax.vmap(restored, (None, 0))(unet, erased(images))
    return jnp.abs(images - found).mean(-1).swapaxes(0, 1)
