"""EfficientNet as a Flax module that returns the features of every level."""

import functools
from collections.abc import Callable

import flax.linen as nn
from jaxtyping import Array, Float

from gaussft_jax.backbones.depthwise import DepthwiseConv, padding_of
from gaussft_jax.backbones.specification import Specification, Stage

__all__ = ["EfficientNet"]


def _pointwise(features: int) -> Callable[..., nn.Module]:
    """A 1x1 convolution, as the matrix product that it is."""
    return functools.partial(nn.Dense, features, use_bias=False)


class _ConvNorm(nn.Module):
    """A convolution and the frozen batch normalisation behind it."""

    conv: Callable[..., nn.Module]
    epsilon: float

    @nn.compact
    def __call__(self, x):
        norm = nn.BatchNorm(use_running_average=True, epsilon=self.epsilon, name="norm")
        return norm(self.conv(name="conv")(x))


class _Squeeze(nn.Module):
    """Squeeze-and-excitation: channels weighted by what the whole image says of them."""

    channels: int

    @nn.compact
    def __call__(self, x):
        squeezed = nn.swish(nn.Dense(self.channels, name="reduce")(x.mean((1, 2), keepdims=True)))
        return x * nn.sigmoid(nn.Dense(x.shape[-1], name="expand")(squeezed))


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
        conv_norm = functools.partial(_ConvNorm, epsilon=spec.epsilon)

        y = x
        if stage.expansion > 1:
            y = activation(conv_norm(_pointwise(expanded), name="expand")(y))
        depthwise = functools.partial(DepthwiseConv, stage.kernel, self.stride, spec.symmetric)
        y = activation(conv_norm(depthwise, name="depthwise")(y))
        if not spec.lite:
            y = _Squeeze(max(1, inputs // 4), name="squeeze")(y)
        y = conv_norm(_pointwise(stage.channels), name="project")(y)
        return x + y if self.stride == 1 and inputs == stage.channels else y


class EfficientNet(nn.Module):
    """The network without its classifier, always in inference mode.

    A 1x1 convolution is a matrix [c_in c_out], a depthwise one is [k k c]. Batch normalisation
    uses its stored statistics and there is no drop-connect, also while the weights are tuned.

    Attributes:
        specification: which network of the family.
        rematerialise: compute each block again in the backward pass instead of keeping what is
            inside it; saves memory, costs about a third more time.
    """

    specification: Specification
    rematerialise: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "n s s 3"]) -> tuple[Float[Array, "n h w c"], ...]:
        """The nine levels: stem, the last block of each of the seven stages, head.

        Args:
            x: normalised images, float [n s s 3].

        Returns:
            Nine arrays float [n h w c]; stem and head after their activation, stages after the
            residual addition.
        """
        spec = self.specification
        activation = nn.relu6 if spec.lite else nn.swish
        conv_norm = functools.partial(_ConvNorm, epsilon=spec.epsilon)

        pads = tuple(padding_of(size, 3, 2, spec.symmetric) for size in x.shape[1:3])
        stem = functools.partial(
            nn.Conv, spec.stem, (3, 3), strides=2, padding=pads, use_bias=False
        )
        x = activation(conv_norm(stem, name="stem")(x))
        levels = [x]
        block = nn.remat(_Block) if self.rematerialise else _Block
        for s, stage in enumerate(spec.stages, start=1):
            for r in range(stage.repeats):
                stride = stage.stride if r == 0 else 1
                x = block(stage, stride, spec, name=f"stage{s}_block{r}")(x)
            levels.append(x)
        levels.append(activation(conv_norm(_pointwise(spec.head), name="head")(x)))
        return tuple(levels)
