"""Convolution whose gradient is fast on a CPU also within a loop.

XLA brings the convolutions of a gradient into the form of its fast CPU kernels, but not those
within a loop, as every training step is: there the kernel's gradient of a 3x3 convolution took 20
to 50 times as long. So the gradient on a CPU is written in forms that need no such change: a
convolution for the input, a matrix product for each weight of the window. Everywhere else it is
the native one.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.lowering import by_platform

__all__ = ["convolution"]


def convolution(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "k k i o"],
    stride: int,
    pads: Sequence[tuple[int, int]],
) -> Float[Array, "n p q o"]:
    """A convolution of all channels with all.

    y[p, q, o] = sum over a, b, i of x[stride p + a, stride q + b, i] kernel[a, b, i, o].

    Args:
        x: features, float [n h w i].
        kernel: the weights, float [k k i o].
        stride: step between outputs, pixels.
        pads: zeros before and behind the rows and the columns, pixels.

    Returns:
        float [n p q o], in the dtype of `x`.
    """
    # Asked for here, since a hand-written gradient is traced where the caller's choice is gone.
    precision = jax.config.jax_default_matmul_precision
    return _convolution(x, kernel, stride, tuple(map(tuple, pads)), precision)


def _native(x, kernel, stride, pads, precision):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )


_convolution = jax.custom_vjp(_native, nondiff_argnums=(2, 3, 4))


def _keep(x, kernel, stride, pads, precision):
    return _native(x, kernel, stride, pads, precision), (x, kernel)


def _backward(stride, pads, precision, kept, gradient):
    def native(x, kernel, gradient):
        return jax.vjp(lambda *at: _native(*at, stride, pads, precision), x, kernel)[1](gradient)

    def in_loops(x, kernel, gradient):
        return (
            _input_gradient(x, kernel, gradient, stride, pads),
            _kernel_gradient(x, kernel, gradient, stride, pads),
        )

    return by_platform(*kept, gradient, cpu=in_loops, default=native)


def _input_gradient(x, kernel, gradient, stride, pads):
    """The gradient, spread out by the stride, convolved with the kernel turned by 180 degrees."""
    k = kernel.shape[0]
    around = []
    for (before, _), size, outputs in zip(pads, x.shape[1:3], gradient.shape[1:3], strict=True):
        low = k - 1 - before
        around.append((low, size - (outputs - 1) * stride - 1 - low + k - 1))
    return lax.conv_general_dilated(
        gradient,
        kernel[::-1, ::-1].transpose(0, 1, 3, 2),
        (1, 1),
        around,
        lhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _kernel_gradient(x, kernel, gradient, stride, pads):
    """For each weight of the window, what it met, times the gradient: float32 sums [i o]."""
    k, _, inputs, outputs = kernel.shape
    n, p, q, _ = gradient.shape
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    dtype = jnp.promote_types(x.dtype, jnp.float32)

    def weight(a, b):
        ends = (n, a + (p - 1) * stride + 1, b + (q - 1) * stride + 1, inputs)
        met = lax.slice(padded, (0, a, b, 0), ends, (1, stride, stride, 1))
        return jnp.matmul(
            met.reshape(-1, inputs).T,
            gradient.reshape(-1, outputs),
            preferred_element_type=dtype,
        )

    found = jnp.stack([weight(a, b) for a in range(k) for b in range(k)])
    return found.reshape(kernel.shape).astype(kernel.dtype)


_convolution.defvjp(_keep, _backward)
