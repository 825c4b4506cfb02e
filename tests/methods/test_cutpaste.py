"""CutPaste: classes and loss, network and classifier tuned together, the Gaussians after."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from scipy.stats import entropy
from sklearn.covariance import LedoitWolf
from sklearn.metrics import log_loss

from gaussft_jax import configuration, methods, training
from gaussft_jax.detector import Tuning, fit_model, tunable_part
from gaussft_jax.methods.cutpaste import Classes, classes, cross_entropy
from gaussft_jax.scoring import Scorer
from gaussft_jax.vicinity import draw, vicinity

RECIPE = training.Recipe(learning_rate=5e-3, max_epochs=100, stopping="fixed", draws_per_image=1)


@pytest.mark.parametrize("size", [32, 96])
def test_a_mask_tells_its_class(rng, size):
    images = jnp.asarray(rng.integers(0, 256, (60, size, size, 3)), jnp.uint8)
    key = jax.random.key(rng.integers(2**31))
    for scheme, label in (("patch", 1), ("scar", 2)):
        chosen = rng.random(len(images)) < 0.8
        _, masks = draw(key, images, vicinity(scheme), jnp.asarray(chosen))
        np.testing.assert_array_equal(classes(masks), np.where(chosen, label, 0))


def test_a_third_each_is_drawn(rng):
    images = jnp.asarray(rng.integers(0, 256, (300, 32, 32, 3)), jnp.uint8)
    _, masks = draw(jax.random.key(rng.integers(2**31)), images, vicinity(Classes.anomalies))
    shares = np.bincount(classes(masks), minlength=3) / len(images)
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1:], 0.5, atol=0.15)  # five standard deviations
    assert Classes.exposure * 3 == 2


def test_cross_entropy(rng):
    logits, labels = rng.normal(size=(7, 3)).astype(np.float32), rng.integers(0, 3, 7)
    labels[:3] = 0, 1, 2
    found = cross_entropy(jnp.asarray(logits), jnp.asarray(labels, jnp.int32))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, [-np.log(p[i, k]) for i, k in enumerate(labels)], rtol=1e-5)
    np.testing.assert_allclose(found.mean(), log_loss(labels, p), rtol=1e-5)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Scorer, variables before, model and training images, ramps; tuned to what is pasted."""
    backbone, variables = networks.shallow(stages=1)
    # Through random weights little comes of an image; these make more of it.
    louder = {
        path: 1.9 * x if path.endswith("norm/scale") else x
        for path, x in flatten_dict(variables, sep="/").items()
    }
    variables = unflatten_dict(louder, sep="/")
    noise = np.random.default_rng(0).normal(scale=3, size=(24, 32, 32, 3))
    ramps = (np.linspace(40, 215, 32)[:, None, None] + noise).astype(np.uint8)
    scorer = Scorer(backbone, methods.create("cutpaste"))
    tuner = training.Tuner(backbone, tunable_part(scorer.method), vicinity("all"), RECIPE)
    tuning = Tuning(tuner, jax.random.key(0), tmp_path_factory.mktemp("tuning"))
    model = fit_model(scorer, variables, ramps[:18], ramps[18:], tuning=tuning)
    return scorer, variables, model, ramps[:18]


def test_network_and_classifier_learn_together(fitted):
    _, before, model, _ = fitted
    # What sees nothing of the image has the entropy of the classes at best: 3, 2.5 and 2.5 of 8.
    assert entropy([3, 2.5, 2.5]) > 1.09
    assert model.tuned.history.loss[-20:].mean() < 0.9
    assert jax.tree.map(np.shape, model.variables) == jax.tree.map(np.shape, before)
    moved = jax.tree.map(
        lambda x, y: not np.array_equal(x, y), before["params"], model.variables["params"]
    )
    assert all(jax.tree.leaves(moved))


def test_gaussians_are_those_of_the_tuned_features(fitted):
    scorer, _, model, images = fitted
    levels = jax.jit(scorer.backbone.levels)(model.variables, jnp.asarray(images))
    last = np.asarray(levels[-1], np.float64)
    maps = scorer.method.level_maps(model.references, levels)
    scores = scorer.method.level_scores(model.references, levels, maps)
    for found, features in ((scores[:, 0], last.mean((1, 2))), (maps[0], last)):
        rows = features.reshape(-1, features.shape[-1])
        expected = LedoitWolf().fit(rows).mahalanobis(rows)
        np.testing.assert_allclose(np.square(found).ravel(), expected, rtol=2e-3)


def test_an_ensemble_is_tuned_to_what_its_member_is():
    method = methods.create("ensemble", ensemble_members="padim,cutpaste,gaussian")
    assert tunable_part(method) == Classes(0)


def test_other_anomalies_are_refused():
    config = configuration.default_config()
    config.update({"data": {"category": "bolt"}, "objective": "cutpaste", "tune": True})
    configuration.check(config)
    config.exposure = "scar"
    with pytest.raises(ValueError, match="cutpaste takes cutpaste; leave it empty"):
        configuration.check(config)
