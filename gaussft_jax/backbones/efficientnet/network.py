"""EfficientNet as a Flax module that returns the features of every level."""

import functools
from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gaussft_jax.backbones.convolution import convolution
from gaussft_jax.backbones.efficientnet.depthwise import depthwise_convolution, padding_of
from gaussft_jax.backbones.efficientnet.specification import Specification, Stage
from gaussft_jax.backbones.layers import ConvNorm, folded

__all__ = ["EfficientNet"]


class _Squeeze(nn.Module):
    """Squeeze-and-excitation: channels weighted by what the whole image says of them."""

    channels: int

    @nn.compact
    def __call__(self, x):
        dense = functools.partial(nn.Dense, dtype=x.dtype)
        squeezed = nn.swish(dense(self.channels, name="reduce")(x.mean((1, 2), keepdims=True)))
        return x * nn.sigmoid(dense(x.shape[-1], name="expand")(squeezed))


class _Block(nn.Module):
    """An inverted residual: expand by 1x1, filter by depthwise, project by 1x1."""

    stage: Stage
    stride: int
    specification: Specification

    @nn.compact
    def __call__(self, x):
        spec, stage, inputs = self.specification, self.stage, x.shape[-1]
        expanded = inputs * stage.expansion
        activation = nn.relu6 if spec.lite else nn.swish
        conv_norm = functools.partial(ConvNorm, epsilon=spec.epsilon)

        y = x
        if stage.expansion > 1:
            y = activation(conv_norm(jnp.matmul, (inputs, expanded), name="expand")(y))
        k = stage.kernel
        pads = tuple(padding_of(size, k, self.stride, spec.symmetric) for size in y.shape[1:3])
        depthwise = functools.partial(depthwise_convolution, stride=self.stride, pads=pads)
        y = activation(conv_norm(depthwise, (k, k, expanded), name="depthwise")(y))
        if not spec.lite:
            y = _Squeeze(max(1, inputs // 4), name="squeeze")(y)
        y = conv_norm(jnp.matmul, (expanded, stage.channels), name="project")(y)
        return x + y if self.stride == 1 and inputs == stage.channels else y


class EfficientNet(nn.Module):
    """The network without its classifier, always in inference mode.

    A 1x1 convolution is a matrix [c_in c_out], a depthwise one is [k k c]. Batch normalisation
    uses its stored statistics and there is no drop-connect, also while the weights are tuned.

    Attributes:
        specification: which network of the family.
    """

    specification: Specification

    @property
    def level_names(self) -> tuple[str, ...]:
        """The nine levels."""
        return ("stem", *(f"stage{s}" for s in range(1, 8)), "head")

    def first_level(self, parameter: str) -> int:
        """The first level that depends on a parameter, by its `/`-joined name."""
        return self.level_names.index(parameter.partition("/")[0].partition("_")[0])

    def folded(self, variables: Mapping[str, Mapping]) -> Mapping[str, Mapping]:
        """The variables of a network that stays frozen."""
        return folded(variables, self.specification.epsilon)

    @nn.compact
    def __call__(self, x: Float[Array, "n height width 3"]) -> tuple[Float[Array, "n h w c"], ...]:
        """The nine levels: stem, the last block of each of the seven stages, head.

        Args:
            x: normalised images, float [n height width 3]; everything is computed in their dtype.

        Returns:
            Nine arrays [n h w c] of the same dtype; stem and head after their activation, stages
            after the residual addition.
        """
        spec = self.specification
        activation = nn.relu6 if spec.lite else nn.swish
        conv_norm = functools.partial(ConvNorm, epsilon=spec.epsilon)

        pads = tuple(padding_of(size, 3, 2, spec.symmetric) for size in x.shape[1:3])
        stem = functools.partial(convolution, stride=2, pads=pads)
        x = activation(conv_norm(stem, (3, 3, 3, spec.stem), name="stem")(x))
        levels = [x]
        for s, stage in enumerate(spec.stages, start=1):
            for r in range(stage.repeats):
                stride = stage.stride if r == 0 else 1
                x = _Block(stage, stride, spec, name=f"stage{s}_block{r}")(x)
            levels.append(x)
        head = (x.shape[-1], spec.head)
        levels.append(activation(conv_norm(jnp.matmul, head, name="head")(x)))
        return tuple(levels)
