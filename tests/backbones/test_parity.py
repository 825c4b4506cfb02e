"""Every level equals PyTorch's, with random weights and with the real ones of Lite0."""

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from parity import CASES, GOLDENS, image, random_variables, sample

from gaussft_jax.backbones import create, load_backbone


@pytest.fixture(
    scope="module", params=CASES, ids=lambda case: "{}-{}-{}".format(*case), name="case"
)
def _case(request):
    """What a network makes of an image: (name, height, width), backbone, variables, levels."""
    name, height, width = request.param
    if "lite0" in name:
        backbone, variables = load_backbone(name)
        variables = flatten_dict(variables, sep="/")
    else:
        backbone = create(name)
        variables = random_variables(backbone.shapes())
    nested = unflatten_dict(variables, sep="/")
    levels = jax.jit(backbone.levels)(nested, image(height, width))
    return request.param, backbone, variables, levels


def test_levels_equal_the_goldens(case):
    (name, height, width), *_, levels = case
    golden = np.load(GOLDENS)[f"{name}-{height}x{width}"]
    np.testing.assert_allclose(sample(levels), golden, atol=1e-4)


@pytest.mark.oracle
@pytest.mark.usefixtures("torch")
def test_levels_equal_pytorch(case):
    from oracles import torch_levels

    (_, *sides), backbone, variables, levels = case
    expected = torch_levels(backbone, variables, image(*sides))
    for ours, theirs in zip(levels, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
