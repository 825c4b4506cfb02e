"""Batch normalisation folded into the convolutions against the same done after them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gaussft_jax.backbones import load_backbone
from gaussft_jax.backbones.layers import ConvNorm


def _unfolded(next_function, args, kwargs, context):
    """Convolution first, then (y - mean) / sqrt(var + epsilon) * scale + bias."""
    module = context.module
    if not isinstance(module, ConvNorm):
        return next_function(*args, **kwargs)
    parameters, statistics = module.variables["params"], module.variables["batch_stats"]["norm"]
    y = module.convolve(args[0], parameters["conv"]["kernel"])
    normal = (y - statistics["mean"]) / jnp.sqrt(statistics["var"] + module.epsilon)
    return normal * parameters["norm"]["scale"] + parameters["norm"]["bias"]


@pytest.mark.parametrize(
    ("name", "weights"), [("efficientnet-lite0", None), ("efficientnet-b0", "random")]
)
def test_folding_changes_no_level(rng, name, weights):
    backbone, variables = load_backbone(name, weights)
    if weights == "random":
        # Statistics that do something.
        variables = {
            **variables,
            "batch_stats": jax.tree.map(
                lambda x: rng.uniform(0.5, 1.5, x.shape).astype(np.float32),
                variables["batch_stats"],
            ),
        }
    images = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
    folded = jax.jit(backbone.levels)(variables, images)
    with nn.intercept_methods(_unfolded):
        after = jax.jit(lambda *args: backbone.levels(*args))(variables, images)
    # Rounded elsewhere: it was computed in another way indeed.
    assert any((ours != theirs).any() for ours, theirs in zip(folded, after, strict=True))
    for ours, theirs in zip(folded, after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(jnp.abs(theirs).max()))
