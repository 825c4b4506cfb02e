"""Depthwise convolution that is fast on every platform, chosen where the function is lowered.

XLA's grouped convolution is some ten times slower on a CPU than the arithmetic asks for. There the
convolution is a sum of k * k shifted products, which XLA fuses into one pass over memory, and its
gradient is written by hand: the weights' part is accumulated row by row, so that the partial sums
stay in the cache. Everywhere else the native convolution is used.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

__all__ = ["DepthwiseConv", "depthwise_convolution", "padding_of"]


def padding_of(size: int, kernel: int, stride: int, symmetric: bool) -> tuple[int, int]:
    """Pixels of zero padding before and behind one axis of `size` pixels."""
    if symmetric:
        return (kernel - 1) // 2, (kernel - 1) // 2
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_convolution(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "k k c"],
    stride: int,
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> Float[Array, "n p q c"]:
    """Each channel convolved with its own kernel.

    y[p, q, c] = sum over i, j of x[stride p + i, stride q + j, c] kernel[i, j, c].

    Args:
        x: features, float [n h w c].
        kernel: one k x k filter per channel, float [k k c].
        stride: step between outputs, pixels.
        pads: zeros before and behind the rows and the columns, pixels.

    Returns:
        float [n p q c], in the dtype of `x`.
    """
    return _forward(x, kernel, stride, pads)


def _forward(x, kernel, stride, pads):
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_shifted_products, stride=stride, pads=pads),
        default=functools.partial(_native, stride=stride, pads=pads),
    )


def _native(x, kernel, *, stride, pads):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def _output_size(x, kernel, stride, pads):
    return tuple(
        (size + sum(pad) - kernel.shape[0]) // stride + 1
        for size, pad in zip(x.shape[1:3], pads, strict=True)
    )


def _shifted_products(x, kernel, *, stride, pads):
    k, _, c = kernel.shape
    n = x.shape[0]
    p, q = _output_size(x, kernel, stride, pads)
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    return sum(
        lax.slice(
            padded,
            (0, i, j, 0),
            (n, i + (p - 1) * stride + 1, j + (q - 1) * stride + 1, c),
            (1, stride, stride, 1),
        )
        * kernel[i, j]
        for i in range(k)
        for j in range(k)
    )


def _keep(x, kernel, stride, pads):
    return _forward(x, kernel, stride, pads), (x, kernel)


def _backward(stride, pads, kept, gradient):
    x, kernel = kept

    def native(x, kernel, gradient):
        return jax.vjp(functools.partial(_native, stride=stride, pads=pads), x, kernel)[1](gradient)

    def shifted(x, kernel, gradient):
        return (
            _input_gradient(x, kernel, gradient, stride, pads),
            _kernel_gradient(x, kernel, gradient, stride, pads),
        )

    return lax.platform_dependent(x, kernel, gradient, cpu=shifted, default=native)


def _input_gradient(x, kernel, gradient, stride, pads):
    """The gradient spread out by the stride, convolved with the mirrored kernel."""
    k = kernel.shape[0]
    spread = [
        (k - 1 - before, size - (out - 1) * stride - 1 + before, stride - 1)
        for (before, _), size, out in zip(pads, x.shape[1:3], gradient.shape[1:3], strict=True)
    ]
    zero = jnp.zeros((), gradient.dtype)
    spread_gradient = lax.pad(gradient, zero, ((0, 0, 0), *spread, (0, 0, 0)))
    none = ((0, 0), (0, 0))
    return _shifted_products(spread_gradient, kernel[::-1, ::-1], stride=1, pads=none)


def _kernel_gradient(x, kernel, gradient, stride, pads):
    """Sums [k k q c] over images and rows, in float32, then one sum over the columns."""
    k, _, c = kernel.shape
    n, p, q, _ = gradient.shape
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def add_row(row, sums):
        g = lax.dynamic_index_in_dim(gradient, row, 1, keepdims=False)
        band = lax.dynamic_slice_in_dim(padded, row * stride, k, 1)
        products = [
            lax.slice(band[:, i], (0, j, 0), (n, j + (q - 1) * stride + 1, c), (1, stride, 1)) * g
            for i in range(k)
            for j in range(k)
        ]
        return tuple(s + jnp.sum(b, 0, dtype=s.dtype) for s, b in zip(sums, products, strict=True))

    zeros = tuple(jnp.zeros((q, c), jnp.promote_types(x.dtype, jnp.float32)) for _ in range(k * k))
    sums = lax.fori_loop(0, p, add_row, zeros)
    return jnp.stack([s.sum(0) for s in sums]).reshape(k, k, c).astype(kernel.dtype)


depthwise_convolution.defvjp(_keep, _backward)


class DepthwiseConv(nn.Module):
    """A depthwise convolution without bias, whose kernel is [k k c]."""

    kernel_size: int
    stride: int
    symmetric: bool

    @nn.compact
    def __call__(self, x):
        """Convolved features [n p q c] of x [n h w c]."""
        k = self.kernel_size
        initialiser = nn.initializers.variance_scaling(2.0, "fan_in", "normal", in_axis=(0, 1))
        kernel = self.param("kernel", initialiser, (k, k, x.shape[-1]))
        pads = tuple(padding_of(size, k, self.stride, self.symmetric) for size in x.shape[1:3])
        return depthwise_convolution(x, kernel.astype(x.dtype), self.stride, pads)
