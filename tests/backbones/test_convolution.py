"""The convolution of all channels with all: equal to JAX's own, gradients as well."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gaussft_jax.backbones.convolution import convolution
from gaussft_jax.lowering import one_form


def _native(x, kernel, stride, pads):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("k", "stride", "pads"),
    [
        (1, 1, [(0, 0)] * 2),
        (1, 2, [(0, 0)] * 2),
        (3, 1, [(1, 1)] * 2),
        (3, 2, [(0, 1)] * 2),
        (3, 2, [(1, 1), (1, 0)]),
        (4, 4, [(0, 0)] * 2),
        (7, 2, [(3, 3)] * 2),
    ],
)
def test_equals_the_native_convolution(rng, k, stride, pads, dtype):
    x = jnp.asarray(rng.normal(size=(2, 12, 9, 3)), dtype)
    kernel = jnp.asarray(rng.normal(size=(k, k, 3, 5)), dtype)

    def both(function):
        outputs, gradients = jax.vjp(lambda *at: function(*at, stride, pads), x, kernel)
        return outputs, *gradients(jnp.asarray(cotangent[: outputs.size].reshape(outputs.shape)))

    cotangent = np.asarray(rng.normal(size=2 * 12 * 9 * 5), dtype)
    tolerance = {"float32": 2e-5, "bfloat16": 2e-2}[dtype]
    for found, expected in zip(both(convolution), both(_native), strict=True):
        assert found.dtype == expected.dtype
        found, expected = (np.asarray(z, "f") for z in (found, expected))
        np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_one_form_has_the_same_gradient(rng):
    x = jnp.asarray(rng.normal(size=(1, 8, 8, 3)), "float32")
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 4)), "float32")

    def gradient(x, kernel):
        return jax.grad(lambda *at: (convolution(*at, 2, [(0, 1)] * 2) ** 2).sum(), (0, 1))(
            x, kernel
        )

    expected = gradient(x, kernel)
    with one_form(True):
        found = gradient(x, kernel)
    for first, second in zip(found, expected, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)
