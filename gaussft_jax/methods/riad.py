"""RIAD: what is unlike the inpainting of a network that knows the good images."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from gaussft_jax.gaussian import correlate
from gaussft_jax.lowering import each
from gaussft_jax.methods.encoder import Convolution
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import option
from gaussft_jax.methods.pooled import rows
from gaussft_jax.methods.similarity import multi_scale_similarity, structural_similarity
from gaussft_jax.methods.unet import UNet, initial_unet, reduced, restored

__all__ = ["RIAD", "Inpainter", "disjoint_sets", "inpainted", "inpainting_loss"]

_SIDES = (2, 4, 8, 16)  # of the squares that are removed, pixels
_SETS = 3
_LEAST = 1e-6  # from the darkest to the brightest
_MEAN = np.full(5, 1 / 5)  # 21 of 256 pixels


class Inpainter(NamedTuple):
    """What inpaints.

    Attributes:
        unet: its network.
        sets: which of three sets a pixel is in, for each side of squares.
        darkest: of all values of the training images, normalised as the network's.
        span: from there to the brightest.
    """

    unet: UNet
    sets: Int[Array, "k h w"]
    darkest: Float[Array, ""]
    span: Float[Array, ""]

    def scaled(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        """Images from 0, where they are darkest, to 1."""
        return (images - self.darkest) / self.span


@dataclasses.dataclass(frozen=True)
class RIAD(Learner):
    """1 - MSGMS(x, y) at each pixel, smoothed: x the image, y what is inpainted, mean over k.

    Squares of k x k pixels, k = 2, 4, 8, 16, are shared out to 3 sets at random. The pixels of each
    set are removed and inpainted by a U-Net from those of the other two; y has all that is
    inpainted. The U-Net minimises |x - y|^2 + (1 - MSGMS) + (1 - SSIM), means over pixels and
    colours, with one k and new sets in each step.

    Differences from the source. There images have 256 pixels and the U-Net up to 512 channels with
    batch normalisation; here 64 pixels at most, up to 64 channels and none, so that a square is
    larger to the image and the mean filter has 5 pixels instead of 21. Few and large steps are
    taken: Adam 1e-3 instead of 1e-4, 10 epochs instead of 300. Sets are drawn once to score by.

    Attributes:
        epochs: over the training images.
        seed: of weights, order and sets.

    Reference:
        Zavrtanik, Kristan and Skočaj, Reconstruction by inpainting for visual anomaly detection,
        2020.
    """

    name: ClassVar[str] = "riad"
    parts: ClassVar = (Inpainter, UNet, Convolution)

    epochs: int = option(10, "riad_epochs", "passes of the U-Net over the images", 1)
    seed: int = option(0, "riad_seed", "of weights, order and sets of pixels", 0)

    def fit(self, batches, folder=None):
        images = jnp.asarray(rows(batches, lambda levels: reduced(levels[0])))
        start = initial_unet(np.random.default_rng(self.seed), 3)
        sets = disjoint_sets(jax.random.key(self.seed), *images.shape[1:3])
        inpainter = Inpainter(start, sets, images.min(), jnp.maximum(jnp.ptp(images), _LEAST))
        unet = self.learnt(_loss, start, inpainter.scaled(images), folder)
        return inpainter._replace(unet=unet)

    def level_maps(self, references, levels):
        images = references.scaled(reduced(levels[0]))

        def similarity(sets):
            return multi_scale_similarity(images, inpainted(references.unet, images, sets))

        distance = 1 - each(similarity, references.sets).mean((0, -1))
        return (correlate(distance, _MEAN, _MEAN),)


def disjoint_sets(key: PRNGKeyArray, h: int, w: int) -> Int[Array, "k {h} {w}"]:
    """Which of three sets each pixel is in, of squares of 2, 4, 8 and 16 pixels, int32 [4 h w].

    The sets have equally many squares, or one more; at the border there are parts of squares.
    """
    found = []
    for side, of_side in zip(_SIDES, jax.random.split(key, len(_SIDES)), strict=True):
        rows, columns = -(-h // side), -(-w // side)
        squares = jax.random.permutation(of_side, rows * columns).reshape(rows, columns) % _SETS
        found.append(jnp.repeat(jnp.repeat(squares, side, 0), side, 1)[:h, :w])
    return jnp.stack(found)


def inpainted(
    unet: UNet, images: Float[Array, "n h w 3"], sets: Int[Array, "h w"]
) -> Float[Array, "n h w 3"]:
    """Images whose every pixel is inpainted from those of the other sets, float32 [n h w 3]."""
    removed = sets[..., None] == jnp.arange(_SETS)[:, None, None, None, None]
    found = jax.vmap(restored, (None, 0))(unet, images * ~removed)
    # One by one: JAX 0.10.2 on a CPU adds (found * removed).sum(0) wrongly from the third image on
    # (https://github.com/jax-ml/jax/issues/39103).
    return sum(of_set * mask for of_set, mask in zip(found, removed, strict=True))


def inpainting_loss(
    images: Float[Array, "n h w 3"], found: Float[Array, "n h w 3"]
) -> Float[Array, " n"]:
    """|x - y|^2 + (1 - MSGMS(x, y)) + (1 - SSIM(x, y)), each the mean of an image, float32 [n]."""
    alike = multi_scale_similarity(images, found) + structural_similarity(images, found)
    return (jnp.square(images - found) + 2 - alike).mean((1, 2, 3))


def _loss(method, unet, images, key) -> Float[Array, " n"]:
    side_key, sets_key = jax.random.split(key)
    sets = disjoint_sets(sets_key, *images.shape[1:3])
    chosen = sets[jax.random.randint(side_key, (), 0, len(sets))]
    return inpainting_loss(images, inpainted(unet, images, chosen))
