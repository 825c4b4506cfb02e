"""Every level equals PyTorch's, with random weights and with the real ones of Lite0."""

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from parity import CASES, GOLDENS, image, random_variables, sample

from gaussft_jax.backbones import create, load_backbone


def _variables(name):
    if "lite0" in name:
        backbone, variables = load_backbone(name)
        return backbone, flatten_dict(variables, sep="/")
    backbone = create(name)
    return backbone, random_variables(backbone.shapes())


def _levels(backbone, variables, height, width):
    return jax.jit(backbone.levels)(unflatten_dict(variables, sep="/"), image(height, width))


@pytest.mark.parametrize(("name", "height", "width"), CASES)
def test_levels_equal_the_goldens(name, height, width):
    levels = _levels(*_variables(name), height, width)
    golden = np.load(GOLDENS)[f"{name}-{height}x{width}"]
    np.testing.assert_allclose(sample(levels), golden, atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "height", "width"), CASES)
def test_levels_equal_pytorch(name, height, width):
    pytest.importorskip("torch", reason="torch is not installed: ./scripts/test --oracle")
    from oracles import torch_levels

    backbone, variables = _variables(name)
    expected = torch_levels(backbone, variables, image(height, width))
    for ours, theirs in zip(_levels(backbone, variables, height, width), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
