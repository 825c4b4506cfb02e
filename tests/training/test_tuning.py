"""The loop and its driver on a small network: what is tuned, when it stops, how it goes on."""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import networks
import numpy as np
import optax
import pytest
from draws import drawn
from sklearn.metrics import roc_auc_score

from gaussft_jax import methods, training
from gaussft_jax.gaussian import image_score
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import tuning
from gaussft_jax.training.checkpoints import Checkpoints
from gaussft_jax.training.epoch import penalty
from gaussft_jax.training.state import initial_state
from gaussft_jax.vicinity import vicinity

METHODS = {name: methods.create(name) for name in ("gaussian", "deep_svdd", "fcdd", "hsc")}


shallow = pytest.fixture(networks.shallow, scope="module", name="shallow")


@functools.cache
def _tuner(backbone, method="gaussian", scheme="cutout", **recipe):
    recipe = {"learning_rate": 1e-3, "batch_size": 4, "max_epochs": 5, **recipe}
    return training.Tuner(backbone, METHODS[method], vicinity(scheme), training.Recipe(**recipe))


def _tune(tiny, stripes, folder, method="gaussian", epochs_per_call=1, tuner=None, **recipe):
    backbone, variables = tiny
    # 14 images in batches of 4: the last batch is partial.
    train, validation = stripes[:14], stripes[14:]
    references = Scorer(backbone, METHODS[method], 8).fit(variables, train)
    tuner = tuner or _tuner(backbone, method, **recipe)
    task = training.Task(variables, references, train, validation, jax.random.key(0))
    return tuner.tune(task, folder, epochs_per_call)


def _same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls(tiny, stripes, tmp_path, method):
    tuned = _tune(tiny, stripes, tmp_path, method, stopping="fixed")
    assert tuned.history.loss[5] < 0.98 * tuned.history.loss[1]
    assert np.isnan(tuned.history.loss[0])
    assert (tuned.epochs, tuned.best_epoch) == (5, 5)


def test_statistics_stay_bit_identical_and_weights_move(tiny, stripes, tmp_path):
    tuned = _tune(tiny, stripes, tmp_path, stopping="fixed")
    _same(tuned.variables["batch_stats"], tiny[1]["batch_stats"])
    moved = jax.tree.map(lambda a, b: np.any(a != b), tuned.variables["params"], tiny[1]["params"])
    assert all(jax.tree.leaves(moved))


def test_only_what_is_trainable_moves(tiny, stripes, tmp_path):
    tuned = _tune(tiny, stripes, tmp_path, stopping="fixed", max_epochs=1, trainable="level 4")
    for module, before in tiny[1]["params"].items():
        after = tuned.variables["params"][module]
        same = jax.tree.leaves(jax.tree.map(np.array_equal, after, before))
        assert all(same) == (module != "head")


def test_adapters_move_the_kernels_that_join_channels(shallow, stripes, tmp_path, monkeypatch):
    """And are held back, by an information that is enormous here, as the loss tells."""

    def enormous(key, spread, tuned, fixed, images):
        return jax.tree.map(lambda x: np.full_like(x, 1e20), tuned)

    monkeypatch.setattr(tuning, "make_fisher", lambda *_: enormous)
    recipe = {"stopping": "fixed", "max_epochs": 1, "trainable": "adapters", "ewc": 1.0}
    tuned = _tune(shallow, stripes, tmp_path, **recipe)
    assert tuned.history.loss[1] > 1e12
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(tuned.variables))
    moved = jax.tree.map(lambda a, b: a != b, tuned.variables, shallow[1])
    stem, head = (moved["params"][name].pop("conv")["kernel"] for name in ("stem", "head"))
    assert head.all() and stem[1, 1].all() and stem.sum() == stem[1, 1].size
    assert not any(leaf.any() for leaf in jax.tree.leaves(moved))


def test_the_penalty_is_the_sum_of_three(rng):
    w, w0, f = rng.normal(size=(3, 7))
    recipe = training.Recipe(weight_decay=2.0, l2_sp=3.0, ewc=5.0)
    expected = np.sum(2 * w**2 + 3 * (w - w0) ** 2 + 5 * f * (w - w0) ** 2) / 2
    arrays = (jnp.asarray(x, jnp.float32) for x in (w, w0, f))
    np.testing.assert_allclose(penalty(*arrays, recipe), expected, rtol=1e-5)


def test_penalties_hold_the_weights_back(shallow, stripes, tmp_path):
    def tuned(**recipe):
        folder = tmp_path / "".join(recipe)
        return _tune(shallow, stripes, folder, stopping="fixed", **recipe).variables["params"]

    def norm(parameters):
        return sum(np.square(leaf).sum() for leaf in jax.tree.leaves(parameters))

    def distance(parameters):
        return norm(jax.tree.map(np.subtract, parameters, shallow[1]["params"]))

    free = tuned()
    assert distance(tuned(l2_sp=100.0)) < 0.5 * distance(free)
    assert norm(tuned(weight_decay=100.0)) < norm(free)


def test_epochs_per_call_changes_nothing_and_one_compilation_serves_a_run(
    shallow, stripes, tmp_path
):
    tuner = _tuner(shallow[0], scheme="all", stopping="fixed")
    single = _tune(shallow, stripes, tmp_path / "single", tuner=tuner)
    assert tuner.loop._cache_size() == 1
    several = _tune(shallow, stripes, tmp_path / "several", tuner=tuner, epochs_per_call=250)
    assert tuner.loop._cache_size() == 1
    _same(single.history, several.history)
    _same(single.variables, several.variables)


@pytest.mark.parametrize("redraw", [False, True])
def test_the_best_state_is_kept_and_patience_ends_the_run(shallow, stripes, tmp_path, redraw):
    tuned = _tune(shallow, stripes, tmp_path, max_epochs=40, patience=3, redraw=redraw)
    auroc = tuned.history.vicinity_auroc
    assert tuned.best_epoch == np.argmax(auroc)
    assert tuned.epochs == min(40, tuned.best_epoch + 3)


def test_validation_loss_criterion_equals_the_loss_of_the_best_state(shallow, stripes, tmp_path):
    recipe = {"stopping": "validation_loss", "pretrained_competes": False}
    tuned = _tune(shallow, stripes, tmp_path, **recipe)
    losses = tuned.history.validation_loss[1:]
    assert tuned.best_epoch == np.argmin(losses) + 1
    backbone, variables = shallow
    references = Scorer(backbone, METHODS["gaussian"], 8).fit(variables, stripes[:14])
    levels = jax.jit(backbone.levels)(tuned.variables, stripes[14:])
    scores = image_score(METHODS["gaussian"].level_maps(references, levels))
    np.testing.assert_allclose(losses.min(), scores.mean(), rtol=1e-4)


def test_standardised_levels_decide_the_vicinity_auroc(shallow, stripes, tmp_path):
    """With a still network it is that of the scorer's weighted scores of the same draws."""
    recipe = {"learning_rate": 0.0, "patience": 1, "level_weights": "standardised"}
    tuned = _tune(shallow, stripes, tmp_path, **recipe)
    backbone, variables = shallow
    scorer = Scorer(backbone, METHODS["gaussian"], 8)
    references = scorer.fit(variables, stripes[:14])
    key, _ = jax.random.split(jax.random.key(0))
    draws = drawn(key, stripes[14:], vicinity("cutout"), 10, 0.7)
    weights = scorer.weigh(variables, references, stripes[14:])
    scores, _ = scorer.score(variables, references, np.asarray(draws.images), weights)
    expected = roc_auc_score(draws.anomalous, scores)
    np.testing.assert_allclose(tuned.history.vicinity_auroc[0], expected, atol=1e-3)


def test_the_pretrained_state_may_be_kept_out(shallow, stripes, tmp_path):
    # With a still network no epoch can beat the pre-trained state.
    still = {"learning_rate": 0.0, "patience": 2}
    assert _tune(shallow, stripes, tmp_path / "in", **still).best_epoch == 0
    out = _tune(shallow, stripes, tmp_path / "out", pretrained_competes=False, **still)
    assert out.best_epoch == 1


def test_loss_is_the_mean_over_real_images(shallow, stripes, tmp_path):
    """With a still network the epoch's loss is that of all 14 images, padding left out."""
    tuned = _tune(shallow, stripes, tmp_path, learning_rate=0.0, patience=2)
    backbone, variables = shallow
    scorer = Scorer(backbone, METHODS["gaussian"], 8)
    references = scorer.fit(variables, stripes[:14])
    scores, _ = scorer.score(variables, references, stripes[:14])
    np.testing.assert_allclose(tuned.history.loss[1], scores.mean(), rtol=1e-5)


def test_a_value_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(
    shallow, stripes, tmp_path
):
    with pytest.raises(training.NotFiniteError, match=r"epoch \d+: the distances of level \d"):
        _tune(shallow, stripes, tmp_path, learning_rate=1e30, stopping="fixed")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert np.isfinite(json.loads(lines[-1])["vicinity_auroc"])
    assert list((tmp_path / "checkpoint").iterdir())


def test_metrics_hold_a_line_per_epoch(shallow, stripes, tmp_path):
    tuned = _tune(shallow, stripes, tmp_path, stopping="fixed")
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert rows[0]["loss"] is None
    np.testing.assert_allclose([row["loss"] for row in rows[1:]], tuned.history.loss[1:])
    _same(training.read_metrics(tmp_path), tuned.history)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import conftest
from gaussft_jax.training import checkpoints
import orbax.checkpoint as ocp

saves = 0
save = checkpoints.Checkpoints.save
finalize = ocp.StandardCheckpointHandler.finalize

def counted(self, state):
    global saves
    saves += 1
    if saves == 2 and {when!r} == "training":
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, state)

def cut_off(self, *args, **kwargs):
    if saves == 2 and {when!r} == "saving":
        os.kill(os.getpid(), signal.SIGKILL)
    return finalize(self, *args, **kwargs)

checkpoints.Checkpoints.save = counted
ocp.StandardCheckpointHandler.finalize = cut_off
import importlib.util
spec = importlib.util.spec_from_file_location("tuning_tests", {this!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module._tune(module.networks.shallow(), conftest.striped_images(), {folder!r}, stopping="fixed")
"""


class _Counting(methods.FCDD):
    """Whose loss is 1 for an augmented image and 0 for any other."""

    def loss(self, maps, masks):
        return masks.any((1, 2)) + 0.0 * maps[0].mean((1, 2))


def _exposed(tiny, stripes, folder, augment, exposure=None, **recipe):
    """The history of an epoch whose loss is the fraction of training images that are augmented."""
    recipe = training.Recipe(max_epochs=1, stopping="fixed", **recipe)
    tuner = training.Tuner(tiny[0], _Counting(), augment, recipe, exposure=exposure)
    return _tune(tiny, stripes, folder, "fcdd", tuner=tuner).history


def marked(key, image):
    return image, jnp.ones(image.shape[:2], bool)


# 14 images: three batches of 4 and one of 2, or as many batches as images.
@pytest.mark.parametrize(("batch_size", "exposed"), [(4, 7), (1, 0)])
def test_half_of_each_batch_is_exposed(shallow, stripes, tmp_path, batch_size, exposed):
    history = _exposed(shallow, stripes, tmp_path, marked, batch_size=batch_size)
    assert history.loss[1] == exposed / 14
    assert history.validation_loss[1] == 0


def test_exposure_leaves_the_validation_alone(shallow, stripes, tmp_path):
    cutout, same = vicinity("cutout"), _tune(shallow, stripes, tmp_path / "same", "fcdd").history
    history = _exposed(shallow, stripes, tmp_path / "other", cutout, marked)
    assert history.loss[1] == 0.5
    assert history.vicinity_auroc[0] == same.vicinity_auroc[0] > 0.55


@pytest.mark.parametrize("when", ["training", "saving"])
def test_a_killed_run_goes_on_to_the_same_numbers(shallow, stripes, tmp_path, when):
    whole = _tune(shallow, stripes, tmp_path / "w", stopping="fixed")
    tests = str(Path(__file__).parents[1])
    script = KILLED.format(tests=tests, this=__file__, when=when, folder=str(tmp_path / "k"))
    killed = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    resumed = _tune(shallow, stripes, tmp_path / "k", stopping="fixed")
    _same(resumed.history, whole.history)
    _same(resumed.variables, whole.variables)


def test_a_checkpoint_of_another_form_is_named(tmp_path):
    state = initial_state({"a": np.ones(2, np.float32)}, optax.adam(1e-3), 3)
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.save(state._replace(epoch=np.int32(2), parameters={"a": np.ones(2, np.float32)}))
    with pytest.raises(ValueError, match=r"checkpoint holds .* remove it to tune anew"):
        checkpoints.restore(state)
