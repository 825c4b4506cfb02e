"""Vision transformers: levels, sizes, weight files of every layout, position embeddings."""

import jax
import numpy as np
import pytest
from parity import image, random_variables
from vit_files import torch_state

from gaussft_jax.backbones import Backbone, VisionTransformer, create
from gaussft_jax.backbones.vit.files import read
from gaussft_jax.backbones.vit.positions import resized
from gaussft_jax.backbones.vit.specification import Specification

TINY = Specification(12, 4, 3, 8, 32, registers=2, layer_scale=True, every=2)


def _network(specification):
    module = VisionTransformer(specification)
    backbone = Backbone("tiny", module, 32, (127.0,) * 3, (64.0,) * 3, multiple=8)
    return backbone, random_variables(backbone.shapes())


# Parameters as timm counts them, less the position of the class token, which is part of ours.
@pytest.mark.parametrize(
    ("name", "size", "levels", "parameters"),
    [
        ("vit-s16", 224, [(14, 384)] * 4, 21_665_664 - 384),
        ("vit-b16", 224, [(14, 768)] * 4, 85_798_656 - 768),
        ("dinov2-s14", 518, [(37, 384)] * 4, 22_056_192 - 384),
        ("dinov2-b14", 224, [(16, 768)] * 4, 86_579_712 - 768),
        ("dinov2-l14", 224, [(16, 1024)] * 8, 304_367_616 - 1024),
        ("dinov2-s14-registers", 224, [(16, 384)] * 4, 22_057_344),
    ],
)
def test_levels_and_parameters(name, size, levels, parameters):
    backbone = create(name)
    assert [level.shape[1::2] for level in backbone.abstract_levels(size)] == levels
    assert len(backbone.level_names) == len(levels)
    assert sum(np.prod(shape) for shape in backbone.shapes().values()) == parameters
    assert backbone.millions == round(parameters / 1e6, 1)


@pytest.mark.parametrize("project", ["timm", "dinov2", "transformers", "transformers-4"])
@pytest.mark.parametrize("registers", [0, 2])
def test_files_of_every_layout(project, registers, rng):
    specification = TINY._replace(registers=registers)
    backbone, variables = _network(specification)
    state = torch_state(specification, variables, project)
    extra = {"timm": "head.weight", "dinov2": "mask_token"}.get(project, "embeddings.mask_token")
    state[extra] = rng.normal(size=(1, 12))
    found = read(state)
    assert found.keys() == backbone.shapes().keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, variables[name], rtol=1e-6, err_msg=name)
        assert array.dtype == np.float32


def test_unknown_arrays_keep_their_names_and_unknown_files_are_refused():
    _, variables = _network(TINY)
    state = torch_state(TINY, variables, "transformers")
    del state["encoder.layer.1.attention.k_proj.bias"]
    found = read({**state, "encoder.layer.0.mlp.fc3.weight": np.zeros((2, 2))})
    assert {name for name in found if not name.startswith("params/")} == {
        "blocks.0.mlp.fc3.weight",
        "blocks.1.attn.q.bias",
        "blocks.1.attn.v.bias",
    }
    with pytest.raises(ValueError, match=r"no known layout: none is cls_token or .*conv1\.weight"):
        read({"conv1.weight": np.zeros(3)})


@pytest.mark.oracle
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(3, 5), (7, 7), (12, 4), (16, 20)])
def test_positions_are_resized_as_pytorch_does(torch, antialias, size, rng):
    grid = rng.normal(size=(7, 7, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(grid.transpose(2, 0, 1)[None].copy()),
        size=size,
        mode="bicubic",
        antialias=antialias,
    )[0].numpy()
    found = resized(jax.numpy.asarray(grid), *size, antialias)
    np.testing.assert_allclose(found, expected.transpose(1, 2, 0), atol=2e-6)


def test_a_flat_grid_stays_flat_at_every_size():
    for antialias in (False, True):
        flat = resized(jax.numpy.ones((5, 5, 1)), 3, 9, antialias)
        np.testing.assert_allclose(flat, np.ones((3, 9, 1)), atol=1e-6)


def test_sizes_that_do_not_fit_name_those_that_do():
    backbone = create("dinov2-s14")
    assert [backbone.nearest_size(size) for size in (1, 224, 320, 448)] == [14, 224, 322, 448]
    with pytest.raises(ValueError, match=r"multiples of 14 px, not of 320: choose 308 or 322"):
        jax.eval_shape(
            backbone.levels, backbone.abstract(), jax.ShapeDtypeStruct((1, 320, 320, 3), np.uint8)
        )


def test_levels_stand_on_the_blocks_before_them():
    backbone, variables = _network(TINY)
    first = {name: backbone.module.first_level(name) for name in backbone.abstract()["params"]}
    assert first["embed"] == first["tokens"] == first["positions"] == first["norm"] == 0
    assert (first["block2_mlp"], first["block3_attention"], first["block4_mlp"]) == (0, 1, 1)
    assert backbone.level_names == ("block2", "block4")

    pixels = jax.device_put(image(32, 32))

    def largest_gradient(level, module):
        def of(part):
            nested["params"][module] = part
            return backbone.levels(nested, pixels)[level].std()

        from flax.traverse_util import unflatten_dict

        nested = unflatten_dict(variables, sep="/")
        gradient = jax.jit(jax.grad(of))(nested["params"][module])
        return max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient))

    assert largest_gradient(0, "block3_attention") == 0
    assert largest_gradient(1, "block3_attention") > 0
    assert largest_gradient(0, "block2_mlp") > 0
