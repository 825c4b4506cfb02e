"""From photographs to references, and from references to scores and maps."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone, LevelStore, Variables
from gaussft_jax.gaussian import (
    Batches,
    anomaly_map,
    image_score,
    level_scores,
    level_weights,
)
from gaussft_jax.objectives import Objective

__all__ = ["Scorer"]

Images = UInt8[np.ndarray, "n s s 3"] | parallel.Share


class Scorer(NamedTuple):
    """A backbone under an objective; its functions are compiled once for all images and folds.

    All devices of all processes work on each batch. Images are an array that every process has
    whole, or the `parallel.Share` of each; what comes out is of all images, in every process.

    Attributes:
        backbone: the network.
        objective: what distance means.
        batch_size: images per call; 0 for `parallel.images_per_call`. No more than there are.
        store: keeps the levels of a network that stays frozen, for images that come again.
    """

    backbone: Backbone
    objective: Objective
    batch_size: int = 0
    store: LevelStore | None = None

    def fit(self, variables: Variables, images: Images) -> Any:
        """The objective's references, from good images.

        Args:
            variables: of the backbone.
            images: RGB, uint8 [n s s 3], or a share.
        """
        levels, images = self._network(variables), parallel.share(images)
        progress = tqdm(desc="fit", unit=" images")

        def stream() -> Batches:
            for batch, valid in self._shown(images, progress):
                yield levels(batch), valid

        with progress:
            return self.objective.fit(stream)

    def weigh(self, variables: Variables, references: Any, images: Images) -> Float[Array, " l"]:
        """`gaussian.level_weights` of held-out good images, float32 [levels].

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3], or a share.
        """
        return level_weights(self.level_scores(variables, references, images))

    def level_scores(
        self, variables: Variables, references: Any, images: Images
    ) -> Float[np.ndarray, "l n"]:
        """`gaussian.level_scores` of all images, float32 [levels n]; arguments as in `weigh`."""
        of_levels = _level_scores(self.objective)
        (scores,) = self.apply(of_levels, variables, images, references)
        return scores.T

    def level_maps(
        self, variables: Variables, references: Any, images: Images
    ) -> tuple[Float[np.ndarray, "n _h _w"], ...]:
        """The objective's distances, float32 [n h w] per level; arguments as in `weigh`."""
        return self.apply(_level_maps(self.objective), variables, images, references)

    def score(
        self,
        variables: Variables,
        references: Any,
        images: Images,
        weights: Float[Array, " l"] | None = None,
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n s s"]]:
        """Image scores and anomaly maps, in the units of the objective's distance.

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3], or a share.
            weights: of the levels, as from `weigh`; None weighs all alike.

        Returns:
            float32 [n] and [n s s].
        """
        of_levels = _score(self.objective)
        return self.apply(of_levels, variables, images, references, weights, progress="score")

    def apply(
        self,
        of_levels: Callable[..., tuple[Array, ...]],
        variables: Variables,
        images: Images,
        *others: Any,
        progress: str | None = None,
    ) -> tuple[np.ndarray, ...]:
        """A pure function of every image's levels, compiled as one with the network.

        Args:
            of_levels: (levels, image size, *others) -> arrays with an entry for each image. It is
                compiled once for as long as it is the same object.
            variables: of the backbone.
            images: RGB, uint8 [n s s 3], or a share.
            others: pytrees of arrays.
            progress: label of a progress bar; None shows none.

        Returns:
            The arrays of all images, on the host.
        """
        function = self._after(variables, of_levels, *others)
        images = parallel.share(images)
        parts = []
        with tqdm(total=len(images), desc=progress, unit=" images", disable=not progress) as bar:
            for batch, _ in self._shown(images, bar):
                parts.append([parallel.local_rows(values) for values in function(batch)])
        return tuple(
            images.gather(np.concatenate(rows)[: len(images.own)])
            for rows in zip(*parts, strict=True)
        )

    def _network(self, variables: Variables) -> Callable:
        levels, on_devices = _levels_function(self.backbone), parallel.put(variables)

        def network(images):
            return levels(on_devices, images)

        if not self._remembers:
            return network
        return self.store.remembering(self.backbone, variables, network)

    @property
    def _remembers(self) -> bool:
        return self.store is not None and self.store.useful

    def _after(self, variables: Variables, of_levels: Callable, *others: Any) -> Callable:
        """`of_levels` of what the network makes of images, compiled as one with it."""
        others = parallel.put(others)
        if self._remembers:
            network, function = self._network(variables), _jitted(of_levels)
            return lambda images: function(network(images), images.shape[1], *others)
        variables, function = parallel.put(variables), _after_network(self.backbone, of_levels)
        return lambda images: function(variables, images, *others)

    def _shown(self, images: parallel.Share, progress: tqdm) -> Iterator[tuple[Array, Array]]:
        """The batches; `progress` counts the images that are real."""
        left = len(images)
        size = self.batch_size or parallel.images_per_call()
        for batch, valid in images.batches(min(size, max(1, left))):
            yield batch, valid
            progress.update(max(0, min(len(batch), left)))
            left -= len(batch)


def _jit(function: Callable, **options: Any) -> Callable:
    split = NamedSharding(parallel.mesh(), parallel.SPLIT)
    return jax.jit(function, out_shardings=split, **options)


@functools.cache
def _levels_function(backbone: Backbone) -> Callable:
    return _jit(backbone.levels)


@functools.cache
def _jitted(of_levels: Callable) -> Callable:
    return _jit(of_levels, static_argnums=1)


@functools.cache
def _after_network(backbone: Backbone, of_levels: Callable) -> Callable:
    return _jit(
        lambda variables, images, *others: of_levels(
            backbone.levels(variables, images), images.shape[1], *others
        )
    )


@functools.cache
def _score(objective: Objective) -> Callable:
    def score(
        levels, size, references, weights
    ) -> tuple[Float[Array, " n"], Float[Array, "n s s"]]:
        maps = objective.maps(references, levels)
        if objective.score:
            scores = objective.score(references, levels)
        else:
            scores = image_score(maps, objective.aggregation, weights)
        return scores, anomaly_map(maps, size, weights)

    return score


@functools.cache
def _level_maps(objective: Objective) -> Callable:
    return lambda levels, size, references: objective.maps(references, levels)


@functools.cache
def _level_scores(objective: Objective) -> Callable:
    return lambda levels, size, references: (
        level_scores(objective.maps(references, levels), objective.aggregation).T,
    )
