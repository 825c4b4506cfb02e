"""ResNets and Wide ResNets as a Flax module that returns the features of every stage."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.backbones.convolution import convolution
from gaussft_jax.backbones.layers import ConvNorm, folded

__all__ = ["SPECIFICATIONS", "ResNet", "Specification"]

_EPSILON = 1e-5  # of the batch normalisation


class Specification(NamedTuple):
    """What distinguishes one network of the family from another.

    Attributes:
        repeats: blocks in each of the four stages.
        bottleneck: three convolutions in a block, 1x1, 3x3 and 1x1 to four times the stage's
            channels, instead of two of 3x3.
        widening: factor of the inner channels of a bottleneck.
        millions: of parameters.
    """

    repeats: tuple[int, int, int, int]
    bottleneck: bool = False
    widening: int = 1
    millions: float = 0.0


# Zagoruyko and Komodakis doubled the inner channels.
SPECIFICATIONS: dict[str, Specification] = {
    "resnet18": Specification((2, 2, 2, 2), millions=11.2),
    "resnet34": Specification((3, 4, 6, 3), millions=21.3),
    "resnet50": Specification((3, 4, 6, 3), True, millions=23.5),
    "wide-resnet50-2": Specification((3, 4, 6, 3), True, 2, millions=66.8),
}


class _Block(nn.Module):
    """Convolutions beside a shortcut; the stride lies in the first of 3x3."""

    channels: int
    stride: int
    specification: Specification

    @nn.compact
    def __call__(self, x):
        spec, inner = self.specification, self.channels * self.specification.widening
        outputs = 4 * self.channels if spec.bottleneck else self.channels
        if spec.bottleneck:
            y = nn.relu(_conv(x, 1, inner, 1, "conv1"))
            y = nn.relu(_conv(y, 3, inner, self.stride, "conv2"))
            y = _conv(y, 1, outputs, 1, "conv3")
        else:
            y = nn.relu(_conv(x, 3, outputs, self.stride, "conv1"))
            y = _conv(y, 3, outputs, 1, "conv2")
        if x.shape[-1] != outputs or self.stride > 1:
            x = _conv(x, 1, outputs, self.stride, "shortcut")
        return nn.relu(x + y)


class ResNet(nn.Module):
    """The network without its classifier, always in inference mode.

    Attributes:
        specification: which network of the family.
    """

    specification: Specification

    @property
    def level_names(self) -> tuple[str, ...]:
        """The five levels."""
        return ("stem", "stage1", "stage2", "stage3", "stage4")

    def first_level(self, parameter: str) -> int:
        """The first level that depends on a parameter, by its `/`-joined name."""
        return self.level_names.index(parameter.partition("/")[0].partition("_")[0])

    def folded(self, variables: Mapping[str, Mapping]) -> Mapping[str, Mapping]:
        """The variables of a network that stays frozen."""
        return folded(variables, _EPSILON)

    @nn.compact
    def __call__(self, x: Float[Array, "n height width 3"]) -> tuple[Float[Array, "n h w c"], ...]:
        """The five levels: the stem before its pooling, and the four stages.

        Args:
            x: normalised images, float [n height width 3]; everything is computed in their dtype.

        Returns:
            Five arrays [n h w c] of the same dtype, of strides 2, 4, 8, 16 and 32.
        """
        x = nn.relu(_conv(x, 7, 64, 2, "stem"))
        levels = [x]
        window, strides = (1, 3, 3, 1), (1, 2, 2, 1)
        pads = [(0, 0), (1, 1), (1, 1), (0, 0)]
        x = lax.reduce_window(x, -jnp.inf, lax.max, window, strides, pads)
        for stage, repeats in enumerate(self.specification.repeats, start=1):
            for block in range(repeats):
                stride = 2 if stage > 1 and block == 0 else 1
                name = f"stage{stage}_block{block}"
                x = _Block(32 * 2**stage, stride, self.specification, name=name)(x)
            levels.append(x)
        return tuple(levels)


def _conv(x: Array, kernel: int, channels: int, stride: int, name: str) -> Array:
    """A convolution with its normalisation, padded by half a kernel on every side."""
    if kernel == 1:
        x = x[:, ::stride, ::stride]
        return ConvNorm(jnp.matmul, (x.shape[-1], channels), _EPSILON, name=name)(x)
    convolve = functools.partial(convolution, stride=stride, pads=[(kernel // 2,) * 2] * 2)
    return ConvNorm(convolve, (kernel, kernel, x.shape[-1], channels), _EPSILON, name=name)(x)
