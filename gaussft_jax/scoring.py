"""From good images to a method's references, and from references to scores and maps."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from gaussft_jax.backbones import Backbone, LevelStore, Variables
from gaussft_jax.gaussian import level_weights, weighted_mean
from gaussft_jax.methods import Levels, Maps, Method
from gaussft_jax.network import Images, Network, Progress

__all__ = ["Scorer", "judge", "mean_level_maps"]

LevelWeights = Float[Array | np.ndarray, " l"] | None


def judge(
    method: Method, levels: Levels, size: int, models: tuple[Any, ...], level_weights: LevelWeights
) -> tuple[Float[Array, " n"], Float[Array, "n s s"], Float[Array, "n k"]]:
    """What a method makes of images: the one place where levels become scores and maps.

    Args:
        method: what distance means.
        levels: of the network, float32 [n h w c] each.
        size: side of the maps, pixels.
        models: references of each of k models, fitted to different images; the mean counts.
        level_weights: float32 [levels]; None weighs all alike.

    Returns:
        Scores, float32 [n]; anomaly maps, float32 [n size size]; the scores by each model,
        float32 [n k].
    """
    maps = [method.level_maps(references, levels) for references in models]
    by_model = jnp.stack(
        [
            weighted_mean(method.level_scores(references, levels, of), level_weights)
            for references, of in zip(models, maps, strict=True)
        ],
        1,
    )
    # A map is linear in those of the levels: their mean is enlarged once for all models.
    return by_model.mean(1), method.anomaly_map(_mean(maps), size, level_weights), by_model


def mean_level_maps(method: Method, levels: Levels, size: int, models: tuple[Any, ...]) -> Maps:
    """The distances of each level, float32 [n h w], mean over the models; arguments as `judge`."""
    return _mean([method.level_maps(references, levels) for references in models])


def _mean(by_model: list[Maps]) -> Maps:
    return tuple(sum(maps) / len(maps) for maps in zip(*by_model, strict=True))


def _level_scores(
    method: Method, levels: Levels, size: int, references: Any
) -> tuple[Float[Array, "n l"]]:
    maps = method.level_maps(references, levels)
    return (method.level_scores(references, levels, maps),)


class Scorer(NamedTuple):
    """A backbone under a method, one model at a time; compiled once for all images and folds.

    All devices of all processes work on each batch (see `network.Network`).

    Attributes:
        backbone: the network.
        method: what distance means.
        batch_size: images per call; 0 for `parallel.images_per_call`.
        store: keeps the levels of a network that stays frozen, for images that come again.
        folder: keeps the state of what a method learns, as for `learning.learn`.
    """

    backbone: Backbone
    method: Method
    batch_size: int = 0
    store: LevelStore | None = None
    folder: Path | None = None

    def fit(
        self, variables: Variables, images: Images, progress: Progress | None = None, **known: Any
    ) -> Any:
        """The method's references, from good images.

        Args:
            variables: of the backbone.
            images: RGB, uint8 [n s s 3], or a share.
            progress: is told of how many images are done with; None shows a bar.
            known: what the method's `fit` takes beside the images.
        """
        if progress is None:
            with tqdm(total=len(images), desc="fit", unit=" images") as bar:
                return self.fit(variables, images, bar.update, **known)
        network, looks, done = self.network(variables), 0, 0

        def look(count: int) -> None:
            nonlocal looks, done
            looks += count
            progress(looks // self.method.passes - done)
            done = looks // self.method.passes

        if self.method.learns:
            known["folder"] = self.folder
        return self.method.fit(lambda: network.batches(images, look), **known)

    def weigh(self, variables: Variables, references: Any, images: Images) -> Float[Array, " l"]:
        """`gaussian.level_weights` of held-out good images, float32 [levels].

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3], or a share; two or more.

        Raises:
            ValueError: a single image, which has no spread.
        """
        if len(images) < 2:
            raise ValueError(
                f"{len(images)} held-out image has no spread to weigh the levels by: hold out at "
                "least 2, or weigh them all alike (level_weights=equal)"
            )
        return level_weights(self.level_scores(variables, references, images))

    def level_scores(
        self, variables: Variables, references: Any, images: Images
    ) -> Float[np.ndarray, "n l"]:
        """The score of each level of all images, float32 [n levels]; arguments as in `weigh`."""
        network = self.network(variables)
        return network.apply(_level_scores, self.method, images, references)[0]

    def level_maps(
        self, variables: Variables, references: Any, images: Images
    ) -> tuple[Float[np.ndarray, "n _h _w"], ...]:
        """The method's distances, float32 [n h w] per level; arguments as in `weigh`."""
        network = self.network(variables)
        return network.apply(mean_level_maps, self.method, images, (references,))

    def score(
        self,
        variables: Variables,
        references: Any,
        images: Images,
        level_weights: LevelWeights = None,
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n s s"]]:
        """Image scores and anomaly maps, in the units of the method's distance.

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3], or a share.
            level_weights: as from `weigh`; None weighs all alike.

        Returns:
            float32 [n] and [n s s].
        """
        network, models = self.network(variables), (references,)
        judged = network.apply(judge, self.method, images, models, level_weights, progress="score")
        return judged[:2]

    def network(self, variables: Variables) -> Network:
        """The backbone with these weights, as the method sees it."""
        backbone = dataclasses.replace(self.backbone, pixels=self.method.pixels)
        return Network(backbone, variables, self.batch_size, self.store)
