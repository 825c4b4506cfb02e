"""The image reaches the methods that ask for it, and no other."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gaussft_jax import backbones, methods, training
from gaussft_jax.arrays import digest_of
from gaussft_jax.detector import Detector
from gaussft_jax.scoring import Scorer

OPTIONS = {"ensemble_members": "gaussian,triplet", "triplet_epochs": 1}


def test_the_image_comes_first_and_changes_nothing_else(tiny, rng):
    backbone, variables = backbones.load_backbone(tiny[0], tiny[1], "bfloat16")
    seeing = dataclasses.replace(backbone, pixels=True)
    images = jnp.asarray(rng.integers(0, 256, (2, 32, 32, 3), np.uint8))
    image, *levels = jax.jit(seeing.levels)(variables, images)
    assert image.dtype == jnp.float32
    np.testing.assert_allclose(image, (np.float64(images) - 127) / 64, rtol=1e-6)
    for found, expected in zip(levels, jax.jit(backbone.levels)(variables, images), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert seeing.level_names == ("image", *backbone.level_names)
    assert len(seeing.abstract_levels(32)) == len(levels) + 1
    assert seeing != backbone
    # Checkpoints of before there were pixels are found again.
    assert digest_of((), seeing) == digest_of((), backbone)


def test_members_see_what_they_would_see_alone(tiny, stripes):
    backbone, variables = tiny
    together = methods.create("ensemble", **OPTIONS)
    assert together.pixels and not methods.create("ensemble").pixels
    fitted = Scorer(backbone, together).fit(variables, stripes[:10], lambda _: None)
    for member, (references, _) in zip(together.members, fitted, strict=True):
        scorer = Scorer(backbone, member)
        alone = scorer.fit(variables, stripes[:10], lambda _: None)
        maps = (scorer.level_maps(variables, each, stripes[10:]) for each in (references, alone))
        for found, expected in zip(*maps, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.usefixtures("cutout")
def test_an_ensemble_that_sees_the_image_is_tuned_saved_and_loaded(tiny, stripes, tmp_path):
    backbone, variables = tiny
    recipe = training.Recipe(max_epochs=1, draws_per_image=1, batch_size=8)
    method = methods.create("ensemble", **OPTIONS)
    detector = Detector.fit(stripes, method, backbone, variables, recipe=recipe)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model", backbone)
    for a, b in zip(detector.predict(stripes[:3]), loaded.predict(stripes[:3]), strict=True):
        np.testing.assert_array_equal(a, b)
