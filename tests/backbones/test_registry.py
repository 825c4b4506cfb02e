import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gaussft_jax.backbones import create, load_backbone
from gaussft_jax.backbones.efficientnet.specification import SPECIFICATIONS


def _level_shapes(name, size):
    backbone = create(name)
    return [level.shape[1::2] for level in backbone.abstract_levels(size)]


def test_levels_of_b4():
    channels = [48, 24, 32, 56, 112, 160, 272, 448, 1792]
    for size, sides in (
        (224, [112, 112, 56, 28, 14, 14, 7, 7, 7]),
        (380, [190, 190, 95, 48, 24, 24, 12, 12, 12]),
    ):
        assert _level_shapes("efficientnet-b4", size) == list(zip(sides, channels, strict=True))


def test_levels_of_lite0():
    assert _level_shapes("efficientnet-lite0", 224) == [
        (112, 32), (112, 16), (56, 24), (28, 40), (14, 80), (14, 112), (7, 192), (7, 320), (7, 1280)
    ]  # fmt: skip


def test_levels_of_resnets():
    assert _level_shapes("resnet18", 224) == [(112, 64), (56, 64), (28, 128), (14, 256), (7, 512)]
    assert _level_shapes("wide-resnet50-2", 225) == [
        (113, 64), (57, 256), (29, 512), (15, 1024), (8, 2048)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters", "repeats"),
    [
        ("efficientnet-b0", 4_007_548, (1, 2, 2, 3, 3, 4, 1)),
        ("efficientnet-b4", 17_548_616, (2, 4, 4, 6, 6, 8, 2)),
        ("efficientnet-b7", 63_786_960, (4, 7, 7, 10, 10, 13, 4)),
        ("resnet18", 11_176_512, (2, 2, 2, 2)),
        ("resnet34", 21_284_672, (3, 4, 6, 3)),
        ("resnet50", 23_508_032, (3, 4, 6, 3)),
        ("wide-resnet50-2", 66_834_240, (3, 4, 6, 3)),
        ("torchvision-efficientnet-b4", 17_548_616, (2, 4, 4, 6, 6, 8, 2)),
    ],
)
def test_number_of_parameters(name, parameters, repeats):
    backbone = create(name)
    shapes = backbone.shapes().items()
    assert sum(np.prod(s) for name, s in shapes if name.startswith("params")) == parameters
    assert backbone.millions == round(parameters / 1e6, 1)
    assert backbone.module.specification.repeats == repeats


def test_lite_keeps_stem_head_and_outer_stages():
    for name in (n for n in SPECIFICATIONS if "lite" in n):
        specification = SPECIFICATIONS[name]
        assert (specification.stem, specification.head) == (32, 1280)
        assert specification.stages[0].repeats == specification.stages[-1].repeats == 1
        assert not any("squeeze" in path for path in create(name).shapes())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet'.*efficientnet-b0.*efficientnet-lite4"):
        create("resnet")


def test_normalisation():
    imagenet, lite = create("efficientnet-b0"), create("efficientnet-lite0")
    np.testing.assert_allclose(imagenet.mean, [123.675, 116.28, 103.53])
    np.testing.assert_allclose(imagenet.std, [58.395, 57.12, 57.375])
    assert (lite.mean, lite.std) == ((127.0,) * 3, (128.0,) * 3)


def test_random_weights_are_on_request_only():
    _, variables = load_backbone("efficientnet-lite0", "random")
    _, trained = load_backbone("efficientnet-lite0")
    assert jax.tree.structure(variables) == jax.tree.structure(trained)
    assert np.all(variables["batch_stats"]["stem"]["norm"]["mean"] == 0)
    assert np.any(trained["batch_stats"]["stem"]["norm"]["mean"] != 0)


def test_bfloat16_is_of_the_network_alone_and_moves_the_levels_a_little(tiny, stripes):
    backbone, variables = tiny
    variables, stripes = jax.device_put((variables, stripes))
    coarse = dataclasses.replace(backbone, dtype="bfloat16")
    levels, fine = (jax.jit(each.levels)(variables, stripes) for each in (coarse, backbone))
    for level, expected in zip(levels, fine, strict=True):
        assert level.dtype == jnp.float32
        error = np.linalg.norm(level - expected) / np.linalg.norm(expected)
        assert 1e-4 < error < 0.05
    gradient = jax.grad(lambda v: sum(level.mean() for level in coarse.levels(v, stripes)))
    for leaf in jax.tree.leaves(jax.jit(gradient)(variables)):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
