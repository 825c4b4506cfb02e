"""The EfficientNet family as data: one scaling table, from which every network is derived."""

import math
from typing import NamedTuple

__all__ = ["SPECIFICATIONS", "Specification", "Stage"]


class Stage(NamedTuple):
    """A run of equal inverted-residual blocks; only the first of them has the stride."""

    repeats: int
    channels: int
    kernel: int
    stride: int
    expansion: int


class Specification(NamedTuple):
    """What distinguishes one network of the family from another.

    Attributes:
        stem: channels of the 3x3 stem, level 0.
        stages: the seven stages, levels 1 to 7.
        head: channels of the 1x1 head, level 8.
        image_size: nominal side of the input, pixels.
        millions: of parameters.
        lite: ReLU6 and no squeeze-and-excitation instead of swish and squeeze-and-excitation.
        symmetric: pad by (kernel - 1) // 2 on every side, as torchvision does; False pads as
            TensorFlow's SAME, where the odd pixel goes right and below.
        epsilon: of the batch normalisation.
    """

    stem: int
    stages: tuple[Stage, ...]
    head: int
    image_size: int
    millions: float
    lite: bool = False
    symmetric: bool = False
    epsilon: float = 1e-3

    @property
    def repeats(self) -> tuple[int, ...]:
        """Blocks in each of the seven stages."""
        return tuple(stage.repeats for stage in self.stages)


_BASELINE = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)

# name: width, depth, nominal image size, millions of parameters
_SCALING = {
    "efficientnet-b0": (1.0, 1.0, 224, 4.0),
    "efficientnet-b1": (1.0, 1.1, 240, 6.5),
    "efficientnet-b2": (1.1, 1.2, 260, 7.7),
    "efficientnet-b3": (1.2, 1.4, 300, 10.7),
    "efficientnet-b4": (1.4, 1.8, 380, 17.5),
    "efficientnet-b5": (1.6, 2.2, 456, 28.3),
    "efficientnet-b6": (1.8, 2.6, 528, 40.7),
    "efficientnet-b7": (2.0, 3.1, 600, 63.8),
    "efficientnet-lite0": (1.0, 1.0, 224, 3.4),
    "efficientnet-lite1": (1.0, 1.1, 240, 4.1),
    "efficientnet-lite2": (1.1, 1.2, 260, 4.8),
    "efficientnet-lite3": (1.2, 1.4, 280, 6.9),
    "efficientnet-lite4": (1.4, 1.8, 300, 11.7),
}


def _round_channels(channels: float) -> int:
    """The multiple of 8 nearest to `channels`, but never more than a tenth below it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _scale(
    width: float, depth: float, image_size: int, millions: float, lite: bool
) -> Specification:
    last = len(_BASELINE) - 1
    stages = tuple(
        stage._replace(
            channels=_round_channels(stage.channels * width),
            # Lite keeps its first and last stage short.
            repeats=stage.repeats if lite and i in (0, last) else math.ceil(stage.repeats * depth),
        )
        for i, stage in enumerate(_BASELINE)
    )
    stem, head = (
        (32, 1280) if lite else (_round_channels(32 * width), _round_channels(1280 * width))
    )
    return Specification(stem, stages, head, image_size, millions, lite)


def _family() -> dict[str, Specification]:
    networks = {name: _scale(*scaling, lite="lite" in name) for name, scaling in _SCALING.items()}
    # torchvision trained B0 to B4 anew with its own epsilon; B5 to B7 keep TensorFlow's.
    torchvision = {
        f"torchvision-{name}": network._replace(
            symmetric=True, epsilon=1e-5 if name[-1] in "01234" else 1e-3
        )
        for name, network in networks.items()
        if not network.lite
    }
    return networks | torchvision


SPECIFICATIONS: dict[str, Specification] = _family()
