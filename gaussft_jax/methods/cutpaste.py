"""CutPaste: a network tuned to see what was cut and pasted, then a Gaussian of its features."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from gaussft_jax.gaussian import fit_gaussians, mahalanobis_map
from gaussft_jax.methods.encoder import dense, initial_dense
from gaussft_jax.methods.gaussian_fine_tune import GAUSSIANS
from gaussft_jax.methods.method import Method, option, streamed
from gaussft_jax.methods.pooled import pooled

__all__ = ["Classes", "CutPaste", "classes", "cross_entropy"]

_HIDDEN = 128  # features between the network's and the three classes
_SMALLEST_PATCH = 0.01  # of the image: half of a patch's 2 %, more than any scar's 0.6 %


@dataclasses.dataclass(frozen=True)
class Classes(Method):
    """What CutPaste tunes a network to: -log p of an image's class, untouched, patch or scar.

    p is the softmax of two layers of the last level's mean over all locations. They are tuned with
    the network. The only map has the three logits, [n 1 3].

    Attributes:
        seed: of the layers' weights.
    """

    name: ClassVar[str] = "cutpaste classes"
    tunable: ClassVar[bool] = True
    exposure: ClassVar[float] = 2 / 3
    anomalies: ClassVar[str] = "cutpaste"
    moves: ClassVar[bool] = True

    seed: int = option(0, "cutpaste_seed", "of the weights of the classifier", 0)

    def fit(self, batches):
        levels, _ = next(iter(batches()))
        widths = levels[-1].shape[-1], _HIDDEN, 3
        return (initial_dense(np.random.default_rng(self.seed), *widths),)

    def level_maps(self, references, levels):
        return (dense(references[0], pooled(levels[-1:])[0])[:, 0],)

    def level_scores(self, references, levels, maps):
        """-log p(untouched), [n 1]."""
        (logits,) = maps
        return cross_entropy(logits[:, 0], jnp.zeros(len(logits), jnp.int32))[:, None]

    def loss(self, maps, masks):
        return cross_entropy(maps[0][:, 0], classes(masks))


@dataclasses.dataclass(frozen=True)
class CutPaste(Method):
    """The Mahalanobis distance of the last level, in a network that was tuned to `Classes`.

    An image's score is that of the mean over all locations to the Gaussian of those means; the map
    has that of each location to the Gaussian of all locations of all images. Both are fitted after
    tuning; a frozen network leaves them to its pre-trained features.

    Differences from the source. The network, its optimiser, batches and number of steps are those
    of the tuning recipe (Adam; there SGD with momentum and a cosine schedule, 256 images of each
    class an epoch for 256 epochs). A third of each batch is untouched, a third on average has a
    patch and a third a scar; there each image comes in all three forms. Two layers stand for the
    head of nine. Maps come from the same network; there from one that was trained on patches.

    Attributes:
        seed: of the classifier's weights.

    Reference:
        Li, Sohn, Yoon and Pfister, CutPaste: self-supervised learning for anomaly detection and
        localization, 2021.
    """

    name: ClassVar[str] = "cutpaste"
    tunable: ClassVar[bool] = True
    anomalies: ClassVar[str] = Classes.anomalies
    parts: ClassVar = GAUSSIANS
    passes: ClassVar[int] = 2

    seed: int = option(0, "cutpaste_seed", "of the weights of the classifier", 0)

    @property
    def tuned_member(self):
        """The classifier of what was pasted."""
        return Classes(self.seed)

    def fit(self, batches):
        def both(levels):
            return (*pooled(levels[-1:]), levels[-1])

        return fit_gaussians(streamed(batches, both), "global")

    def level_maps(self, references, levels):
        return (mahalanobis_map(references[1], levels[-1]),)

    def level_scores(self, references, levels, maps):
        return mahalanobis_map(references[0], *pooled(levels[-1:]))[:, 0]


def classes(masks: Bool[Array, "n s t"]) -> Int32[Array, " n"]:
    """0 of an image of which nothing was pasted over, 1 of one with a patch, 2 with a scar.

    Args:
        masks: pasted pixels; a scar's are less than 1 % of the image.
    """
    share = masks.mean((1, 2))
    return jnp.select([share == 0, share >= _SMALLEST_PATCH], [0, 1], 2).astype(jnp.int32)


def cross_entropy(logits: Float[Array, "n k"], labels: Int32[Array, " n"]) -> Float[Array, " n"]:
    """-log softmax(logits) of the class of each label, float32 [n]."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_p, labels[:, None], 1)[:, 0]
