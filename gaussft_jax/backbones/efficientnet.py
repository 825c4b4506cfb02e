"""EfficientNet as a Flax module that returns the features of every level."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.backbones.depthwise import depthwise_convolution, padding_of
from gaussft_jax.backbones.specification import Specification, Stage

__all__ = ["EfficientNet"]


class _Norm(nn.Module):
    """Batch normalisation by stored statistics, as the factor and the offset that it amounts to."""

    epsilon: float

    @nn.compact
    def __call__(self, channels: int) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,)).value
        var = self.variable("batch_stats", "var", jnp.ones, (channels,)).value
        factor = scale * lax.rsqrt(var + self.epsilon)
        return factor, bias - mean * factor


class _Kernel(nn.Module):
    """The weights of a convolution without bias."""

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self) -> Float[Array, "*shape"]:
        initialiser = nn.initializers.variance_scaling(
            2.0, "fan_in", "normal", in_axis=range(len(self.shape) - 1)
        )
        return self.param("kernel", initialiser, self.shape)


class _ConvNorm(nn.Module):
    """A convolution and the frozen batch normalisation behind it, computed as one.

    The normalisation's factor goes into the kernel, (x * w) f + b = x * (w f) + b. That is exact
    while the statistics are frozen, also for the gradients of kernel, scale and bias, and saves
    a pass over the features in both directions.
    """

    convolve: Callable[[Array, Array], Array]
    shape: tuple[int, ...]
    epsilon: float

    @nn.compact
    def __call__(self, x):
        factor, offset = _Norm(self.epsilon, name="norm")(self.shape[-1])
        kernel = _Kernel(self.shape, name="conv")() * factor
        return self.convolve(x, kernel.astype(x.dtype)) + offset.astype(x.dtype)


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
        conv_norm = functools.partial(_ConvNorm, epsilon=spec.epsilon)

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

    @nn.compact
    def __call__(self, x: Float[Array, "n s s 3"]) -> tuple[Float[Array, "n h w c"], ...]:
        """The nine levels: stem, the last block of each of the seven stages, head.

        Args:
            x: normalised images, float [n s s 3]; everything is computed in their dtype.

        Returns:
            Nine arrays [n h w c] of the same dtype; stem and head after their activation, stages
            after the residual addition.
        """
        spec = self.specification
        activation = nn.relu6 if spec.lite else nn.swish
        conv_norm = functools.partial(_ConvNorm, epsilon=spec.epsilon)

        pads = tuple(padding_of(size, 3, 2, spec.symmetric) for size in x.shape[1:3])
        stem = functools.partial(
            lax.conv_general_dilated,
            window_strides=(2, 2),
            padding=pads,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
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
