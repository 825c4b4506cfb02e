"""A normalising flow per location: how unlikely the feature there is, given where it is."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import optax
from jaxtyping import Array, Float

from gaussft_jax.gaussian import Batches, on_host
from gaussft_jax.methods.coupling import Coupling, Dense, Likelihood, learnt, surprise
from gaussft_jax.methods.method import Levels, Method, option
from gaussft_jax.methods.pooled import Scaling
from gaussft_jax.methods.pyramid import resolutions

__all__ = ["LocationFlow"]

_ADAM = optax.adam(1e-3)
_BATCH = 256  # locations
_DRAWN = 64  # locations of an image and level that the flow learns


@dataclasses.dataclass(frozen=True)
class LocationFlow(Method):
    """(|z|^2 / 2 - log |det dz/dx|) / d at each location: -log p(x), but for a constant.

    x is a standardised feature of stride 8 or 16, each with a flow of its own, which learns 64
    locations of every training image, drawn at random. What is small is likely; values may be
    negative. The source takes three strides and all locations, turns the likelihoods of a stride
    into fractions of the largest one, and has eight couplings instead of four, and 128 numbers for
    a place instead of 16.

    Attributes:
        given: `place`, the flow sees where in the image a feature lies, or `nothing`.
        blocks: couplings of a flow.
        hidden: width of their layers.
        noise: as of `DifferNet`.
        epochs: over the drawn locations.
        seed: of all that is drawn.

    Reference:
        Gudovskiy, Ishizaka and Kozuka, CFLOW-AD: real-time unsupervised anomaly detection with
        localization via conditional normalizing flows, 2022.
    """

    name: ClassVar[str] = "flow"
    learns: ClassVar[bool] = True
    parts: ClassVar = (Likelihood, Scaling, Coupling, Dense)

    given: Literal["place", "nothing"] = option(
        "place", "flow_given", "what a location's flow sees: its place in the image, or nothing"
    )
    blocks: int = option(4, "flow_blocks", "couplings of a location's flow", 1)
    hidden: int = option(64, "flow_hidden", "width of their layers", 1)
    noise: float = option(0.0, "flow_noise", "added to features in training, std", 0)
    epochs: int = option(20, "flow_epochs", "passes over the drawn locations", 1)
    seed: int = option(0, "flow_seed", "of weights, permutations, locations, order and noise", 0)

    def fit(self, batches, folder=None):
        return tuple(learnt(self, *drawn, _ADAM, _BATCH, folder) for drawn in self._drawn(batches))

    def _drawn(self, batches: Callable[[], Batches]):
        """Of each stride the drawn features [m c] and the contexts of their places [m k]."""
        rng, drawn = np.random.default_rng(self.seed), []
        for levels, valid in batches():
            real, of_batch = on_host(valid), []
            for level in map(on_host, _strides(levels)):
                n, h, w, c = level[real].shape
                lots = rng.random((n, h * w)).argsort(1)[:, :_DRAWN]
                features = np.take_along_axis(level[real].reshape(n, h * w, c), lots[..., None], 1)
                places = np.unravel_index(lots.reshape(-1), (h, w))
                of_batch.append((features.reshape(-1, c), self._context(h, w)[places]))
            drawn.append(of_batch)
        return [
            tuple(map(np.concatenate, zip(*of, strict=True))) for of in zip(*drawn, strict=True)
        ]

    def level_maps(self, references, levels):
        def one(likelihood, level):
            places = self._context(*level.shape[1:3])
            return surprise(likelihood.couplings, likelihood.scaling(level), self.seed, places)

        return tuple(map(one, references, _strides(levels)))

    def _context(self, h: int, w: int) -> Float[np.ndarray, "{h} {w} k"]:
        """Sines and cosines of four periods along each axis, the longest twice the image's side."""
        if self.given == "nothing":
            return np.zeros((h, w, 0), np.float32)
        axes = np.meshgrid((np.arange(h) + 0.5) / h, (np.arange(w) + 0.5) / w, indexing="ij")
        angles = np.stack(axes, -1)[..., None] * np.pi * 2.0 ** np.arange(4)
        return np.concatenate([np.sin(angles), np.cos(angles)], -1).reshape(h, w, 16).astype("f4")


def _strides(levels: Levels) -> list[Float[Array, "n _h _w _c"]]:
    """Of strides 8 and 16."""
    return resolutions(levels)[2:4]
