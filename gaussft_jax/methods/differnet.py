"""DifferNet: how unlikely the pooled features of an image are under a normalising flow."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from gaussft_jax.methods.coupling import Coupling, Dense, Likelihood, flow, learnt
from gaussft_jax.methods.method import Levels, Method, option
from gaussft_jax.methods.pooled import Scaling, image_map, rows, side_by_side
from gaussft_jax.methods.pyramid import resolutions

__all__ = ["DifferNet"]

_BATCH = 96  # images
_ADAM = optax.chain(optax.add_decayed_weights(1e-5), optax.adam(2e-4, b1=0.8, b2=0.8, eps=1e-4))


@dataclasses.dataclass(frozen=True)
class DifferNet(Method):
    """mean_d z^2 of z = f(x), where f maximises the likelihood of good images under N(0, I).

    x are the standardised means of strides 4, 8 and 16, side by side; f minimises the mean of
    (|z|^2 / 2 - log |det dz/dx|) / d. The map has a single location, so that it says which image is
    anomalous, but not where.

    Differences from the source. It pools one layer of AlexNet at three image sizes; here three
    strides of one size are pooled. The couplings' layers are 128 wide and two, not 2048 and four.
    A flow learns a few hundred images by heart: noise is added in training, which ends after 60
    epochs instead of 192. Images are turned neither in training nor in the test.

    Attributes:
        blocks: couplings of the flow.
        hidden: width of their layers.
        noise: standard deviation of what is added to standardised features in training; 0 is the
            source's.
        epochs: over the training images.
        seed: of weights, permutations, order and noise.

    Reference:
        Rudolph, Wandt and Rosenhahn, Same same but DifferNet: semi-supervised defect detection with
        normalizing flows, 2021.
    """

    name: ClassVar[str] = "differnet"
    learns: ClassVar[bool] = True
    parts: ClassVar = (Likelihood, Scaling, Coupling, Dense)

    blocks: int = option(8, "differnet_blocks", "couplings of the flow", 1)
    hidden: int = option(128, "differnet_hidden", "width of the couplings' layers", 1)
    noise: float = option(0.3, "differnet_noise", "added to features in training, std", 0)
    epochs: int = option(60, "differnet_epochs", "passes over the good images", 1)
    seed: int = option(0, "differnet_seed", "of weights, permutations, order and noise", 0)

    def fit(self, batches, folder=None):
        features = rows(batches, _pooled)
        nothing = np.zeros((len(features), 0), np.float32)
        return learnt(self, features, nothing, _ADAM, _BATCH, folder)

    def level_maps(self, references, levels):
        z, _ = flow(references.couplings, references.scaling(_pooled(levels)), self.seed)
        return (image_map(jnp.square(z).mean(1)),)


def _pooled(levels: Levels) -> Float[Array, "n d"]:
    """Strides 4, 8 and 16: the others have more features than a few hundred images can tell."""
    return side_by_side(tuple(resolutions(levels)[1:4]))
