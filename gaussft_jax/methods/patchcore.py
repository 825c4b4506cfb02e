"""PatchCore: distance to the nearest of a selection of all good patches."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.gaussian import on_host, resize
from gaussft_jax.lowering import each
from gaussft_jax.memory import coreset, nearest_distance, neighbour_weight
from gaussft_jax.methods.method import Levels, Method, option, streamed
from gaussft_jax.methods.pyramid import resolutions, smooth

__all__ = ["Bank", "PatchCore", "patches"]

_VALUES = 2**25  # of the patches among which the bank is chosen: 134 MB
_SIGMA = 4 / 224  # of the anomaly map's smoothing, in sides of the image


class Bank(NamedTuple):
    """The chosen patches of the training images, float32 [k c]."""

    patches: Float[Array, "k c"]


@dataclasses.dataclass(frozen=True)
class PatchCore(Method):
    """Euclidean distance of each patch to the nearest in a memory bank of good patches.

    The bank is a coreset of the patches of all training images. They are in memory while it is
    chosen, 134 MB at most: of more, as many are drawn at random first. The score is the largest
    distance in an image, times the neighbourhood's weight where more than one neighbour is asked
    for; the anomaly map is smoothed.

    Attributes:
        fraction: of all patches that the bank keeps, above 0 and at most 1.
        most: how many it keeps at most; 0 for any number.
        neighbours: rows of the bank around the nearest that weigh the score; 1 for no weight.
        seed: of the patch that is chosen first.

    Reference:
        Roth et al., Towards total recall in industrial anomaly detection, 2022.
    """

    name: ClassVar[str] = "patchcore"
    parts: ClassVar = (Bank,)

    fraction: float = option(
        0.1, "patchcore_fraction", "fraction of the patches to keep", share=True
    )
    most: int = option(0, "patchcore_most", "keep at most so many patches, 0 for any number", 0)
    neighbours: int = option(
        1, "patchcore_neighbours", "bank patches around the nearest that weigh the score", 1
    )
    seed: int = option(0, "patchcore_seed", "of the patch that is chosen first", 0)

    def fit(self, batches):
        rng, rows, lots, total = np.random.default_rng(self.seed), [], [], 0
        for features, valid in streamed(batches, patches)():
            found = on_host(features)[on_host(valid)].reshape(-1, features.shape[-1])
            rows.append(found)
            lots.append(rng.random(len(found)))
            total += len(found)
            if sum(map(len, rows)) > 1.5 * _VALUES // found.shape[1]:
                rows, lots = _drawn(rows, lots)
        rows = jnp.asarray(_drawn(rows, lots)[0][0])
        count = max(1, round(self.fraction * total))
        count = min(count, self.most or count)
        return Bank(rows[coreset(rows, count, jax.random.key(self.seed))])

    def level_maps(self, references, levels):
        def one(features):
            h, w, d = features.shape
            return nearest_distance(features.reshape(h * w, d), references.patches).reshape(h, w)

        return (each(one, patches(levels)),)

    def level_scores(self, references, levels, maps):
        scores = super().level_scores(references, levels, maps)
        if self.neighbours == 1:
            return scores
        n, d = scores.shape[0], references.patches.shape[1]
        farthest = maps[0].reshape(n, -1).argmax(1)
        features = patches(levels).reshape(n, -1, d)
        queries = jnp.take_along_axis(features, farthest[:, None, None], 1)[:, 0]
        return scores * neighbour_weight(queries, references.patches, self.neighbours)[:, None]

    def anomaly_map(self, maps, size, weights=None):
        return smooth(super().anomaly_map(maps, size, weights), _SIGMA * size)


def _drawn(
    parts: list[Float[np.ndarray, "_n c"]], lots: list[Float[np.ndarray, " _n"]]
) -> tuple[list[Float[np.ndarray, "m c"]], list[Float[np.ndarray, " m"]]]:
    """All rows and lots in one part each, or of as many as the memory holds the smallest lots."""
    rows, lots = np.concatenate(parts), np.concatenate(lots)
    most = max(1, _VALUES // rows.shape[1])
    if len(rows) > most:  # the order of the rows stays
        chosen = np.sort(np.argpartition(lots, most)[:most])
        rows, lots = rows[chosen], lots[chosen]
    return [rows], [lots]


def patches(levels: Levels) -> Float[Array, "n h w c"]:
    """Strides 8 and 16, each averaged over 3 x 3 locations, side by side at stride 8.

    Args:
        levels: of a backbone, float32 [n h w c], at least four resolutions, or as
            many levels of one.

    Returns:
        float32 [n h w c]; outside of a level are zeros, the coarser is enlarged bilinearly.
    """
    fine, coarse = map(_averaged, resolutions(levels)[2:4])
    return jnp.concatenate([fine, resize(coarse, *fine.shape[1:3])], -1)


def _averaged(level: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """The mean of 3 x 3 locations; outside are zeros."""
    for axis in (1, 2):
        pads, size = [(0, 0)] * 4, level.shape[axis]
        pads[axis] = (1, 1)
        padded = jnp.pad(level, pads)
        level = sum(lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(3))
    return level / 9
