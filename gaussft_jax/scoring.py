"""From photographs to references, and from references to scores and maps."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from gaussft_jax.backbones import Backbone, Variables
from gaussft_jax.data.batches import padded_batches
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


class Scorer(NamedTuple):
    """A backbone under an objective; its functions are compiled once for all images and folds.

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

    def fit(self, variables: Variables, images: UInt8[np.ndarray, "n s s 3"]) -> Any:
        """The objective's references, from good images.

        Args:
            variables: of the backbone.
            images: RGB, uint8 [n s s 3].
        """
        levels = _levels_function(self.backbone)
        progress = tqdm(desc="fit", unit=" images")

        def stream() -> Batches:
            for batch, valid in padded_batches(images, self.batch_size):
                yield levels(variables, batch), valid
                progress.update(int(valid.sum()))

        with progress:
            return self.objective.fit(stream)

    def weigh(
        self, variables: Variables, references: Any, images: UInt8[np.ndarray, "n s s 3"]
    ) -> Float[Array, " l"]:
        """`gaussian.level_weights` of held-out good images, float32 [levels].

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3].
        """
        return level_weights(self.level_scores(variables, references, images))

    def level_scores(
        self, variables: Variables, references: Any, images: UInt8[np.ndarray, "n s s 3"]
    ) -> Float[np.ndarray, "l n"]:
        """`gaussian.level_scores` of all images, float32 [levels n]; arguments as in `weigh`."""
        function = _level_function(self.backbone, self.objective, self.aggregation)
        parts = [
            np.asarray(function(variables, references, batch))[:, valid]
            for batch, valid in padded_batches(images, self.batch_size)
        ]
        return np.concatenate(parts, axis=1)

    def score(
        self,
        variables: Variables,
        references: Any,
        images: UInt8[np.ndarray, "n s s 3"],
        weights: Float[Array, " l"] | None = None,
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n s s"]]:
        """Image scores and anomaly maps, in the units of the objective's distance.

        Args:
            variables: of the backbone, pre-trained or tuned.
            references: from `fit`.
            images: RGB, uint8 [n s s 3].
            weights: of the levels, as from `weigh`; None weighs all alike.

        Returns:
            float32 [n] and [n s s].
        """
        function = _score_function(self.backbone, self.objective, self.aggregation)
        scores, maps = [], []
        with tqdm(total=len(images), desc="score", unit=" images") as progress:
            for batch, valid in padded_batches(images, self.batch_size):
                for kept, values in zip(
                    (scores, maps), function(variables, references, batch, weights), strict=True
                ):
                    kept.append(np.asarray(values)[valid])
                progress.update(int(valid.sum()))
        return np.concatenate(scores), np.concatenate(maps)


@functools.cache
def _levels_function(backbone: Backbone) -> Callable:
    return jax.jit(backbone.levels)


@functools.cache
def _score_function(backbone: Backbone, objective: Objective, aggregation: Aggregation) -> Callable:
    @jax.jit
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
    return jax.jit(
        lambda variables, references, images: level_scores(
            objective.maps(references, backbone.levels(variables, images)), aggregation
        )
    )
