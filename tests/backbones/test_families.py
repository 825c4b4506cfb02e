"""Everything works with a network of every family, and with one's own."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from parity import random_variables

from gaussft_jax import Detector
from gaussft_jax.backbones import Backbone, ResNet, VisionTransformer
from gaussft_jax.backbones.resnet.network import Specification as OfResNet
from gaussft_jax.backbones.vit.specification import Specification as OfViT
from gaussft_jax.deployment import export_stablehlo
from gaussft_jax.training import Recipe

GREY = (127.0,) * 3, (64.0,) * 3
RECIPE = Recipe(learning_rate=1e-3, max_epochs=2, patience=2, draws_per_image=2, batch_size=4)


def _pyramid(parameters, x):
    """Three levels in plain JAX, of strides 2, 4, 8 and 16."""
    levels = []
    for kernel in parameters["kernels"]:
        x = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        levels.append(jax.nn.relu(x))
    return levels


def _network(family):
    if family == "own":
        rng = np.random.default_rng(0)
        channels = (3, 6, 8, 10, 12)
        kernels = [
            rng.normal(scale=(2 / (9 * i)) ** 0.5, size=(3, 3, i, o)).astype(np.float32)
            for i, o in itertools.pairwise(channels)
        ]
        return Backbone.from_function(_pyramid, {"kernels": kernels}, 32, *GREY)
    if family == "vit":
        module, multiple = VisionTransformer(OfViT(12, 4, 3, 8, 32, 1, True, every=1)), 8
    else:
        module, multiple = ResNet(OfResNet((1, 1, 1, 1))), 1
    backbone = Backbone("tiny", module, 32, *GREY, multiple=multiple)
    return backbone, unflatten_dict(random_variables(backbone.shapes()), sep="/")


families = pytest.mark.parametrize("family", ["vit", "resnet", "own"])


@families
@pytest.mark.parametrize("method", ["gaussian", "patchcore", "padim", "auto"])
def test_frozen(family, method, stripes, tmp_path):
    """Fitted, saved, loaded and exported: the same scores, and a strange image has the highest."""
    backbone, variables = _network(family)
    images = np.concatenate([stripes, stripes[:, ::-1]])  # enough for `auto` to choose
    detector = Detector.fit(images, method, backbone, variables, calibrate="split")
    strange = np.concatenate([stripes[:2], stripes[2:3].transpose(0, 2, 1, 3)])
    assert detector.method.name == ("ensemble" if method == "auto" else method)
    found = detector.predict(strange)
    assert found.scores.argmax() == 2
    assert np.isfinite(found.maps).all()
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model", backbone)
    np.testing.assert_array_equal(loaded.predict(strange).scores, found.scores)
    program = jax.export.deserialize(bytearray(export_stablehlo(detector, ("cpu",))))
    scores, maps, p_values = program.call(jnp.asarray(strange))
    np.testing.assert_allclose(scores, found.scores, rtol=1e-4)
    np.testing.assert_allclose(maps, found.maps, atol=5e-3)  # distances of nearly 0 are roots
    np.testing.assert_allclose(p_values, found.p_values)


@families
@pytest.mark.usefixtures("cutout")
def test_tuned(family, stripes, tmp_path):
    backbone, variables = _network(family)
    detector = Detector.fit(
        stripes, "gaussian", backbone, variables, recipe=RECIPE, folder=tmp_path / "checkpoints"
    )
    assert detector.tuned
    before = jax.tree.leaves(variables["params"])
    after = jax.tree.leaves(detector.variables["params"])
    # Epoch 0 may have been the best; then nothing differs.
    assert all(np.isfinite(leaf).all() for leaf in after)
    assert [x.shape for x in before] == [x.shape for x in after]
    again = Detector.fit(
        stripes, "gaussian", backbone, variables, recipe=RECIPE, folder=tmp_path / "checkpoints"
    )
    np.testing.assert_array_equal(again.predict(stripes).scores, detector.predict(stripes).scores)


@pytest.mark.parametrize("family", ["vit", "resnet", "own", "efficientnet"])
def test_folded_variables_give_the_same_levels(family, stripes, tiny):
    backbone, variables = tiny if family == "efficientnet" else _network(family)
    folded = backbone.module.folded(variables)
    levels = jax.jit(backbone.levels)
    for level, expected in zip(levels(folded, stripes), levels(variables, stripes), strict=True):
        assert np.abs(level - expected).max() <= 1e-6 * max(1, np.abs(expected).max())
    if family in ("resnet", "efficientnet"):  # which normalise by batches
        assert "batch_stats" not in folded


@families
def test_bfloat16_moves_the_levels_a_little(family, stripes):
    backbone, variables = _network(family)
    coarse = dataclasses.replace(backbone, dtype="bfloat16")
    variables, pixels = jax.device_put((variables, stripes[:2]))
    levels, fine = (jax.jit(each.levels)(variables, pixels) for each in (coarse, backbone))
    for level, expected in zip(levels, fine, strict=True):
        assert level.dtype == jnp.float32
        error = np.linalg.norm(level - expected) / np.linalg.norm(expected)
        assert 1e-4 < error < 0.05


def test_ones_own_network_is_asked_for(stripes, tmp_path):
    backbone, variables = _network("own")
    Detector.fit(stripes, "gaussian", backbone, variables).save(tmp_path)
    with pytest.raises(ValueError, match=r"needs the network 'own'.*Detector.load\(folder, backb"):
        Detector.load(tmp_path)
    with pytest.raises(ValueError, match=r"no weights are known for 'own'"):
        Detector.fit(stripes, "gaussian", backbone)
    with pytest.raises(ValueError, match=r"sequence of levels \[n h w c\], this one gives \[1, 32"):
        Backbone.from_function(lambda parameters, x: x * parameters, jnp.ones(3), 32)
    with pytest.raises(ValueError, match="one's own network is not known"):
        late = RECIPE._replace(trainable="level 2")
        Detector.fit(stripes, "gaussian", backbone, variables, recipe=late)
