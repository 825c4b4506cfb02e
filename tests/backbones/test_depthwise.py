import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gaussft_jax.backbones.efficientnet.depthwise import depthwise_convolution, padding_of


def _native(x, kernel, stride, pads):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("k", [3, 5])
def test_equals_the_native_convolution(rng, k, stride, symmetric, dtype):
    x = jnp.asarray(rng.normal(size=(2, 12, 9, 4)), dtype)
    kernel = jnp.asarray(rng.normal(size=(k, k, 4)), dtype)
    pads = tuple(padding_of(size, k, stride, symmetric) for size in (12, 9))

    def value_and_gradients(function):
        y, back = jax.vjp(lambda x, kernel: function(x, kernel, stride, pads), x, kernel)
        return y, *back(jnp.cos(jnp.arange(y.size, dtype=dtype)).reshape(y.shape))

    tolerance = 1e-4 if dtype == jnp.float32 else 0.3
    ours, native = jax.jit(value_and_gradients, static_argnums=0), value_and_gradients
    for a, b in zip(ours(depthwise_convolution), native(_native), strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(
            a.astype(jnp.float32), b.astype(jnp.float32), atol=tolerance, rtol=tolerance
        )


def test_same_padding_is_tensorflows():
    for size in range(5, 20):
        for k, stride in ((3, 1), (3, 2), (5, 1), (5, 2)):
            expected = lax.padtype_to_pads((size,), (k,), (stride,), "SAME")[0]
            assert padding_of(size, k, stride, symmetric=False) == expected
            assert padding_of(size, k, stride, symmetric=True) == (k // 2, k // 2)


def test_every_platform_gets_its_own_form():
    """Lowered for a GPU the function is one grouped convolution, for a CPU it is none."""
    x, kernel = jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4))
    function = jax.jit(lambda x, kernel: depthwise_convolution(x, kernel, 1, ((1, 1), (1, 1))))
    lowered = {
        platform: str(jax.export.export(function, platforms=[platform])(x, kernel).mlir_module())
        for platform in ("cpu", "cuda", "tpu")
    }
    assert "stablehlo.convolution" not in lowered["cpu"]
    assert "feature_group_count = 4" in lowered["cuda"]
    assert "feature_group_count = 4" in lowered["tpu"]
