"""Depthwise convolution that is fast on every platform, chosen where the function is lowered.

XLA's grouped convolution is some ten times slower on a CPU than the arithmetic asks for. There the
convolution is a sum of k * k shifted products, which XLA fuses into one pass over memory, and its
gradient is written by hand: the weights' part is accumulated row by row, so that the partial sums
stay in the cache. Everywhere else the native convolution is used.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.lowering import by_platform

__all__ = ["depthwise_convolution", "padding_of"]


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
    return by_platform(
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
        # Here and not around it: a hand-written gradient is traced where the caller's choice of
        # precision is gone. Bound by memory, it would gain nothing from less.
        precision=lax.Precision.HIGHEST if x.dtype == jnp.float32 else None,
    )


def _shifted_products(x, kernel, *, stride, pads):
    k, _, c = kernel.shape
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    n, height, width, _ = padded.shape
    p, q = ((size - k) // stride + 1 for size in (height, width))
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

    return by_platform(x, kernel, gradient, cpu=shifted, default=native)


def _input_gradient(x, kernel, gradient, stride, pads):
    """One convolution at the size of the output for each phase of the stride, interleaved.

    The padded input at stride m + a met the weights a, a + stride, ... of the kernel only, so
    that no product with the zeros between the spread-out gradients is computed.
    """
    k = kernel.shape[0]
    n, p, q, c = gradient.shape
    taps = -(-k // stride)
    padded = jnp.pad(gradient, ((0, 0), (taps - 1,) * 2, (taps - 1,) * 2, (0, 0)))
    height, width = p + taps - 1, q + taps - 1

    def phase(a, b):
        part = kernel[a::stride, b::stride]
        return sum(
            padded[:, taps - 1 - i :, taps - 1 - j :][:, :height, :width] * part[i, j]
            for i in range(part.shape[0])
            for j in range(part.shape[1])
        )

    rows = [jnp.stack([phase(a, b) for b in range(stride)], 3) for a in range(stride)]
    spread = jnp.stack(rows, 2).reshape(n, height * stride, width * stride, c)
    # Cut the padding off; where no window reached the border, a row of zeros is missing.
    cut = [
        (-before, before + size - spread_size, 0)
        for (before, _), size, spread_size in zip(
            pads, x.shape[1:3], spread.shape[1:3], strict=True
        )
    ]
    return lax.pad(spread, jnp.zeros((), spread.dtype), ((0, 0, 0), *cut, (0, 0, 0)))


def _kernel_gradient(x, kernel, gradient, stride, pads):
    """Sums [q c] for each weight over the rows of all images, in float32, then over the columns."""
    k, _, c = kernel.shape
    n, p, q, _ = gradient.shape
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    dtype = jnp.promote_types(x.dtype, jnp.float32)

    def add_row(step, sums):
        image, row = step // p, step % p
        g = lax.dynamic_slice(gradient, (image, row, 0, 0), (1, 1, q, c))[0, 0].astype(dtype)
        band = lax.dynamic_slice(padded, (image, row * stride, 0, 0), (1, k, padded.shape[2], c))[0]
        columns = [
            lax.slice(band[i], (j, 0), (j + (q - 1) * stride + 1, c), (stride, 1))
            for i in range(k)
            for j in range(k)
        ]
        return tuple(total + column * g for total, column in zip(sums, columns, strict=True))

    zeros = tuple(jnp.zeros((q, c), dtype) for _ in range(k * k))
    sums = lax.fori_loop(0, n * p, add_row, zeros)
    return jnp.stack([total.sum(0) for total in sums]).reshape(k, k, c).astype(kernel.dtype)


depthwise_convolution.defvjp(_keep, _backward)
