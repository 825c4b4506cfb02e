"""The one interface of all methods: references, distances of the levels, scores, training loss."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian import Batches, anomaly_map, level_scores

__all__ = ["Levels", "Maps", "Method", "choices", "option", "streamed"]

Levels = tuple[Float[Array, "n _h _w _c"], ...]
Maps = tuple[Float[Array, "n _h _w"], ...]


def option(
    default: Any, flag: str, help: str, least: int | None = None, share: bool = False
) -> Any:
    """A field of a method that people may set.

    Args:
        default: its value where nobody does, the source's.
        flag: its name in configurations and, with dashes, on the command line.
        help: one line on what it does.
        least: the smallest number that it may be.
        share: whether it is a number above 0, at most 1.
    """
    told = {"flag": flag, "help": help, "least": least, "share": share}
    return dataclasses.field(default=default, metadata=told)


@dataclasses.dataclass(frozen=True)
class Method:
    """What it means for an image to be far from the good ones, as pure functions.

    A published system is a frozen dataclass whose options are fields: equal options are equal keys,
    under which its functions are compiled once. What it learns from good images, its references, is
    a pytree of arrays that is handed in wherever it is needed, fitted in closed form or learnt.

    Attributes:
        name: of the system, in configurations and on the command line.
        tunable: whether a network can be tuned to it, or to its `tuned_member`.
        exposure: how many of the images that it is tuned to are made anomalous, fraction.
        anomalies: the vicinity that they come from; empty where any will do.
        moves: whether its references are tuned with the network.
        learns: whether `fit` takes a `folder`, as `learning.learn` does, to go on where it was.
        passes: how often `fit` asks for all images.
        pixels: whether the normalised image, float32 [n s s 3], comes first among its levels.
        parts: the named tuples that the references are made of, beside tuples and arrays.
        aggregation: `max` or `mean` over the locations of a level, for the image score.
    """

    name: ClassVar[str]
    tunable: ClassVar[bool] = False
    exposure: ClassVar[float] = 0.0
    anomalies: ClassVar[str] = ""
    moves: ClassVar[bool] = False
    learns: ClassVar[bool] = False
    passes: ClassVar[int] = 1
    pixels: ClassVar[bool] = False
    parts: ClassVar[tuple[type[tuple], ...]] = ()
    aggregation = "max"

    def __post_init__(self):
        known = choices(type(self))
        for field in dataclasses.fields(self):
            value, flag = getattr(self, field.name), field.metadata["flag"]
            listed, least = known[field.name], field.metadata["least"]
            if listed and value not in listed:
                raise ValueError(f"{flag}={value!r}; choose from: {', '.join(listed)}")
            if least is not None and value < least:
                raise ValueError(f"{flag}={value!r} is too small, it starts at {least}")
            if field.metadata["share"] and not 0 < value <= 1:
                raise ValueError(f"{flag}={value}; choose a number above 0, at most 1")

    @property
    def tuned_member(self) -> "Method | None":
        """What a network is tuned to: the method itself, if it has a loss of its own."""
        return self if self.tunable else None

    def fit(self, batches: Callable[[], Batches]) -> Any:
        """The references: a pytree that stays fixed from then on.

        Args:
            batches: each call streams the training images anew as (levels, valid): a tuple of
                float32 [n h w c], and bool [n], False for images that only fill up the batch.
        """
        raise NotImplementedError

    def restored(self, state: Any) -> Any:
        """The references from nested dictionaries of arrays, as a folder keeps them.

        Args:
            state: what `flax.serialization.to_state_dict` made of the references; a tuple is a
                dictionary of its places, "0", "1" and so on, a named tuple one of its fields.
        """
        if not isinstance(state, Mapping):
            return state
        if all(key.isdigit() for key in state):
            return tuple(map(self.restored, in_order(state)))
        (parts,) = (cls for cls in self.parts if set(cls._fields) == state.keys())
        return parts(**{field: self.restored(value) for field, value in state.items()})

    def level_maps(self, references: Any, levels: Levels) -> Maps:
        """A distance map for each level, float32 [n h w]."""
        raise NotImplementedError

    def level_scores(self, references: Any, levels: Levels, maps: Maps) -> Float[Array, "n l"]:
        """A score for each level, float32 [n levels]; their (weighted) mean is the image's.

        Args:
            references: from `fit`.
            levels: float32 [n h w c] per level.
            maps: what `level_maps` makes of them.
        """
        return level_scores(maps, self.aggregation)

    def anomaly_map(
        self, maps: Maps, size: int, weights: Float[Array, " l"] | None = None
    ) -> Float[Array, "n {size} {size}"]:
        """The distance of every pixel, float32 [n size size]; linear in the maps.

        Args:
            maps: what `level_maps` makes of the levels.
            size: side of the result, pixels.
            weights: of the levels, float32 [levels]; None weighs all alike.
        """
        return anomaly_map(maps, size, weights)

    def loss(self, maps: Maps, masks: Bool[Array, "n s s"]) -> Float[Array, " n"]:
        """Training loss of each image, float32 [n], of a method that is `tunable`.

        Args:
            maps: from `level_maps`.
            masks: pixels that were made anomalous, bool [n s s].
        """
        raise NotImplementedError(f"{self.name} has no loss to tune to")


def choices(method: type[Method]) -> dict[str, tuple[str, ...]]:
    """What each field of a method may be; empty where any value of its type will do."""
    return {
        field: typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        for field, kind in typing.get_type_hints(method).items()
    }


def streamed(
    batches: Callable[[], Batches], change: Callable[[Levels], Levels]
) -> Callable[[], Batches]:
    """A stream like `batches` with each batch's levels changed on the way."""
    jitted = jax.jit(change)
    return lambda: ((jitted(levels), valid) for levels, valid in batches())


def in_order(numbered: Mapping[str, Any]) -> list[Any]:
    """The values of a dictionary whose keys are places."""
    return [value for _, value in sorted(numbered.items(), key=lambda item: int(item[0]))]
