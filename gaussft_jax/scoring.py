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
from gaussft_jax.backbones import Backbone, Variables
from gaussft_jax.gaussian import (
    Aggregation,
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
        aggregation: `max` or `mean` over the locations of a level, for the image score.
        batch_size: images per call.
    """

    backbone: Backbone
    objective: Objective
    aggregation: Aggregation
    batch_size: int

    def fit(self, variables: Variables, images: Images) -> Any:
        """The objective's references, from good images.

        Args:
            variables: of the backbone.
            images: RGB, uint8 [n s s 3], or a share.
        """
        levels = _levels_function(self.backbone)
        variables, images = parallel.put(variables), parallel.share(images)
        progress = tqdm(desc="fit", unit=" images")

        def stream() -> Batches:
            for batch, valid in self._shown(images, progress):
                yield levels(variables, batch), valid

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
        function = _level_function(self.backbone, self.objective, self.aggregation)
        variables, references = parallel.put((variables, references))
        images = parallel.share(images)
        parts = [
            parallel.local_rows(function(variables, references, batch))
            for batch, _ in images.batches(self.batch_size)
        ]
        return images.gather(np.concatenate(parts)[: len(images.own)]).T

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
        function = _score_function(self.backbone, self.objective, self.aggregation)
        variables, references, weights = parallel.put((variables, references, weights))
        images = parallel.share(images)
        parts = []
        with tqdm(total=len(images), desc="score", unit=" images") as progress:
            for batch, _ in self._shown(images, progress):
                both = function(variables, references, batch, weights)
                parts.append([parallel.local_rows(values) for values in both])
        scores, maps = (
            images.gather(np.concatenate(rows)[: len(images.own)])
            for rows in zip(*parts, strict=True)
        )
        return scores, maps

    def _shown(self, images: parallel.Share, progress: tqdm) -> Iterator[tuple[Array, Array]]:
        """The batches; `progress` counts the images that are real."""
        left = len(images)
        for batch, valid in images.batches(self.batch_size):
            yield batch, valid
            progress.update(max(0, min(len(batch), left)))
            left -= len(batch)


def _jit(function: Callable) -> Callable:
    return jax.jit(function, out_shardings=NamedSharding(parallel.mesh(), parallel.SPLIT))


@functools.cache
def _levels_function(backbone: Backbone) -> Callable:
    return _jit(backbone.levels)


@functools.cache
def _score_function(backbone: Backbone, objective: Objective, aggregation: Aggregation) -> Callable:
    @_jit
    def score(
        variables, references, images: UInt8[Array, "n s s 3"], weights
    ) -> tuple[Float[Array, " n"], Float[Array, "n s s"]]:
        levels = backbone.levels(variables, images)
        maps = objective.maps(references, levels)
        if objective.score:
            scores = objective.score(references, levels)
        else:
            scores = image_score(maps, aggregation, weights)
        return scores, anomaly_map(maps, images.shape[1], weights)

    return score


@functools.cache
def _level_function(backbone: Backbone, objective: Objective, aggregation: Aggregation) -> Callable:
    return _jit(
        lambda variables, references, images: (
            level_scores(
                objective.maps(references, backbone.levels(variables, images)), aggregation
            ).T
        )
    )
