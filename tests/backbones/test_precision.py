"""float32 means float32: read off what is lowered for accelerators that are not here."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from flax.traverse_util import flatten_dict
from lowering import inexact, products

from gaussft_jax.backbones import DTYPES, load_backbone
from gaussft_jax.methods import level_mask
from gaussft_jax.vicinity import vicinity


@pytest.fixture(scope="module")
def gradient(tiny):
    backbone, variables = tiny
    images = jnp.zeros((2, 32, 32, 3), jnp.uint8)

    def of(dtype):
        network = dataclasses.replace(backbone, dtype=dtype)

        def loss(parameters):
            levels = network.levels({**variables, "params": parameters}, images)
            return sum(level.mean() for level in levels)

        return jax.value_and_grad(loss), variables["params"]

    return of


@pytest.fixture(scope="module")
def count(tiny):
    """How many products there are: of each kernel one, and the gradients of both factors.

    The images have no gradient.
    """
    return 3 * sum(path[-1] == "kernel" for path in flatten_dict(tiny[1]["params"])) - 1


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_network_and_its_gradient_in_float32(gradient, count, platform):
    lines = products(*gradient("float32"), platform=platform)
    assert len(lines) == count
    assert not inexact(lines)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_faster_settings_are_what_they_say(gradient, count, platform):
    assert DTYPES.keys() == {"float32", "tensorfloat32", "bfloat16"}
    rounded = inexact(products(*gradient("tensorfloat32"), platform=platform))
    assert sum(line.count("HIGH") == 2 for line in rounded) > count / 3
    halves = products(*gradient("bfloat16"), platform=platform)
    assert sum("bf16" in line for line in halves) == count


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_masks_and_vicinity(platform):
    masks = jnp.zeros((2, 32, 32), bool)
    assert not inexact(products(lambda m: level_mask(m, 8, 8), masks, platform=platform))
    image = jnp.zeros((32, 32, 3), jnp.uint8)
    key = jax.random.key(0)
    assert not inexact(products(lambda x: vicinity("all")(key, x), image, platform=platform))


def test_an_unknown_dtype_is_refused():
    with pytest.raises(ValueError, match=r"'float16'.*float32, tensorfloat32, bfloat16"):
        load_backbone("efficientnet-lite0", "random", "float16")
