"""Several methods as one: each standardised by good images that it had not seen, then added."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gaussft_jax.gaussian import Batches
from gaussft_jax.methods.method import Levels, Maps, Method, option
from gaussft_jax.methods.pooled import gathered
from gaussft_jax.methods.pyramid import smooth

__all__ = ["BLOCK", "Ensemble", "Standard"]

BLOCK = 5
"""Images that come together, of which an ensemble holds out the last."""

_SIGMA = 4.0  # pixels: half the stride of a patch
_STEEPNESS = 3.0


class Standard(NamedTuple):
    """What one member, fitted to others, makes of good images.

    Attributes:
        levels: by which the score of each level is multiplied, float32 [l].
        mean: of the sum of the levels so multiplied, float32.
        spread: its standard deviation, float32.
        maps: by which each level's map is multiplied, float32 [m], 1 / distance.
    """

    levels: Float[Array, " l"]
    mean: Float[Array, ""]
    spread: Float[Array, ""]
    maps: Float[Array, " m"]


@dataclasses.dataclass(frozen=True)
class Ensemble(Method):
    """The mean of what its members say of an image, each measured in its spread over good ones.

    The members share one pass of the network. A member's score is the sum of its levels, each
    divided by the square root of its standard deviation s over good images: half way between the
    plain sum, which the level of the largest s decides, and equal spreads, which make much of
    levels that know little. Standardised, z, it counts as log(1 + exp(3 z)) / 3: all of what a
    member finds unusual, and hardly how usual it finds the rest.

    Maps are divided by the standard deviation of their pixels. Those of a member's finest and
    coarsest resolution count half; those of a single location, which say nothing of where, do not
    count. The members' means are added and smoothed.

    Members fitted to the other images are standardised by the last of each `BLOCK`, then fitted to
    all. The spread of a single image is taken for 1.

    Attributes:
        members: the methods.
    """

    name: ClassVar[str] = "ensemble"

    members: tuple[Method, ...] = option((), "ensemble_members", "methods to add, by commas")

    @property
    def parts(self) -> tuple[type[tuple], ...]:
        """Those of the members, and what standardises them."""
        return (*dict.fromkeys(part for member in self.members for part in member.parts), Standard)

    @property
    def passes(self) -> int:
        """Each member in turn, a look at the images held out, each member again."""
        return 1 + 2 * sum(member.passes for member in self.members)

    @property
    def learns(self) -> bool:
        """Whether any member does."""
        return any(member.learns for member in self.members)

    @property
    def pixels(self) -> bool:
        """Whether a member asks for the image."""
        return any(member.pixels for member in self.members)

    @property
    def tuned_member(self) -> Method | None:
        """That of the first that a network can be tuned to."""
        return next((member.tuned_member for member in self.members if member.tunable), None)

    def fit(self, batches, kept: Mapping[Method, Any] = MappingProxyType({}), folder=None):
        """As `Method.fit`.

        Args:
            batches: five images or more; each call streams them anew.
            kept: references of members that are not to be fitted, those of before a network was
                tuned for example.
            folder: as for `learning.learn`, for members that learn.
        """
        fitted = self._fitted(_some(batches, held_out=False), kept, folder)
        held_out = _some(batches, held_out=True)()
        looks = gathered((_look(self, fitted, levels), valid) for levels, valid in held_out)
        standards = tuple(map(_standard, looks))
        return tuple(zip(self._fitted(batches, kept, folder), standards, strict=True))

    def _fitted(
        self, batches: Callable[[], Batches], kept: Mapping[Method, Any], folder: Path | None
    ) -> tuple[Any, ...]:
        def fitted(member: Method) -> Any:
            if member in kept:
                return kept[member]

            def seen() -> Batches:
                return ((self.seen(member, levels), valid) for levels, valid in batches())

            return member.fit(seen, folder=folder) if member.learns else member.fit(seen)

        return tuple(map(fitted, self.members))

    def seen(self, member: Method, levels: Levels) -> Levels:
        """What a member sees: not the image that another one asked for."""
        return levels if member.pixels == self.pixels else levels[1:]

    def level_maps(self, references, levels):
        return tuple(
            scale * level
            for member, (fitted, standard) in zip(self.members, references, strict=True)
            for maps in [member.level_maps(fitted, self.seen(member, levels))]
            for scale, level in zip(_scales(standard, maps), maps, strict=True)
        )

    def level_scores(self, references, levels, maps):
        scores, left = [], maps
        for member, (fitted, standard) in zip(self.members, references, strict=True):
            count = len(standard.maps)
            scaled, left = left[:count], left[count:]
            scales = _scales(standard, scaled)
            own = tuple(level / scale for scale, level in zip(scales, scaled, strict=True))
            seen = self.seen(member, levels)
            summed = (member.level_scores(fitted, seen, own) * standard.levels).sum(1)
            z = (summed - standard.mean) / standard.spread
            scores.append(jax.nn.softplus(_STEEPNESS * z) / _STEEPNESS)
        return jnp.stack(scores, 1)

    def anomaly_map(self, maps, size, weights=None):
        located = tuple(level for level in maps if level.shape[1:] != (1, 1))
        return smooth(super().anomaly_map(located or maps, size), _SIGMA)


def _some(batches: Callable[[], Batches], held_out: bool) -> Callable[[], Batches]:
    """The same stream in which only those images are valid that are, or are not, held out."""

    def stream() -> Iterator[tuple[Levels, Array]]:
        place = 0
        for levels, valid in batches():
            yield levels, _chosen(valid, place, held_out)
            place += len(valid)

    return stream


@functools.partial(jax.jit, static_argnums=2)
def _chosen(
    valid: Bool[Array, " n"], place: Int[Array, ""] | int, held_out: bool
) -> Bool[Array, " n"]:
    """The batch's first image is at `place`; the last of each block is held out."""
    last = (place + jnp.arange(len(valid))) % BLOCK == BLOCK - 1
    return valid & (last == held_out)


class _Looks(NamedTuple):
    """What a member makes of n images: level scores [n l], moments of the pixels [n m]."""

    scores: Float[Array, "n l"]
    mean: Float[Array, "n m"]
    square: Float[Array, "n m"]


@functools.partial(jax.jit, static_argnums=0)
def _look(ensemble: Ensemble, fitted: tuple[Any, ...], levels: Levels) -> tuple[_Looks, ...]:
    looks = []
    for member, references in zip(ensemble.members, fitted, strict=True):
        seen = ensemble.seen(member, levels)
        maps = member.level_maps(references, seen)
        mean, square = (
            jnp.stack([(level**power).mean((1, 2)) for level in maps], 1) for power in (1, 2)
        )
        looks.append(_Looks(member.level_scores(references, seen, maps), mean, square))
    return tuple(looks)


def _standard(looks: _Looks) -> Standard:
    if not len(looks.scores):
        raise ValueError("an ensemble needs at least 5 good images, of which it holds out one")
    scores, mean, square = (np.asarray(values, np.float64) for values in looks)
    levels = 1 / np.sqrt(_spread(scores.var(0)))
    summed = (scores * levels).sum(1)
    maps = 1 / _spread(square.mean(0) - np.square(mean.mean(0)))
    numbers = levels, summed.mean(), _spread(summed.var()), maps
    return Standard(*(jnp.asarray(number, jnp.float32) for number in numbers))


def _spread(variance: np.ndarray | np.float64) -> np.ndarray:
    """The standard deviation; 1 where there is none, of a single image for example."""
    return np.where(variance > 0, np.sqrt(np.maximum(variance, 0)), 1)


def _scales(standard: Standard, maps: Maps) -> list[Float[Array, ""]]:
    """By what a member's maps are multiplied so that their sum is their weighted mean."""
    sides = [level.shape[1] for level in maps]
    middle = set(sides) - {min(sides), max(sides)}
    weights = np.array([1.0 if side in middle or not middle else 0.5 for side in sides])
    return list(standard.maps * (weights / weights.sum()).astype(np.float32))
