"""What networks of several families are made of."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

__all__ = ["ConvNorm"]


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


class ConvNorm(nn.Module):
    """A convolution and the frozen batch normalisation behind it, computed as one.

    The normalisation's factor goes into the kernel, (x * w) f + b = x * (w f) + b. That is exact
    while the statistics are frozen, also for the gradients of kernel, scale and bias, and saves
    a pass over the features in both directions.
    """

    convolve: Callable[[Array, Array], Array]
    shape: tuple[int, ...]
    epsilon: float

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"]) -> Float[Array, "*_shape"]:
        """The features behind both."""
        factor, offset = _Norm(self.epsilon, name="norm")(self.shape[-1])
        kernel = _Kernel(self.shape, name="conv")() * factor
        return self.convolve(x, kernel.astype(x.dtype)) + offset.astype(x.dtype)
