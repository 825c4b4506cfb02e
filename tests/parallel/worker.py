"""One process of a run on a small network: worker.py FOLDER HOW KILLED [HOST:PORT N ID].

Leaves the scores, maps, moments and history in FOLDER/result.npz. HOW is `jit`, `pmap`, or
`jit32`, as if the devices had no float64. The process of the number KILLED, if there is one, dies
as soon as the state after the second epoch is saved.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import conftest
import jax
import networks
import numpy as np

from gaussft_jax import methods, parallel, training
from gaussft_jax.files import replacing
from gaussft_jax.gaussian import moments
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import checkpoints, tuning
from gaussft_jax.vicinity import vicinity


class Exposed(methods.GaussianFineTune):
    """The paper's method, tuned with outlier exposure."""

    exposure = 0.5


def run(folder, parallelism):
    backbone, variables = networks.shallow()
    images = conftest.striped_images()
    scorer = Scorer(backbone, methods.create("gaussian"), 8)
    # 14 and 10 images in batches of 8 and 4: no device count above 2 divides any of them.
    references = scorer.fit(variables, images[:14])
    weights = scorer.weigh(variables, references, images[14:])
    scores, maps = scorer.score(variables, references, images, weights)
    local = Scorer(backbone, methods.create("gaussian", gaussian="local"), 8)
    local_scores, _ = local.score(variables, local.fit(variables, images[:14]), images)
    recipe = training.Recipe(
        learning_rate=1e-4, batch_size=4, max_epochs=3, stopping="fixed", redraw=True, l2_sp=0.1,
        ewc=0.1,
    )  # fmt: skip
    # Exposed to outliers, so that the draws of the training images are compared as well.
    tuner = training.Tuner(backbone, Exposed(), vicinity("cutout"), recipe, parallelism)
    task = training.Task(variables, references, images[:14], images[14:], jax.random.key(0))
    tuned = tuner.tune(task, folder)
    if parallel.is_primary():
        with replacing(Path(folder, "result.npz")) as path, path.open("wb") as file:
            np.savez(
                file,
                devices=jax.device_count(),
                scores=scores,
                maps=maps,
                local_scores=local_scores,
                mean=references[1].mean,
                whitening=references[1].whitening,
                loss=tuned.history.loss[1:],
                validation_loss=tuned.history.validation_loss,
                vicinity_auroc=tuned.history.vicinity_auroc,
            )


def die_after_two_epochs(number):
    """Every epoch is saved; the process of this number is killed once the second is."""
    tuning._EPOCHS_PER_SAVE = 1
    save = checkpoints.Checkpoints.save

    def last(self, state):
        save(self, state)
        if state.epoch == 2 and jax.process_index() == number:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.Checkpoints.save = last


if __name__ == "__main__":
    folder, how, killed, *others = sys.argv[1:]
    if others:
        parallel.initialize(others[0], *map(int, others[1:]))
    if killed != "none":
        die_after_two_epochs(int(killed))
    if how == "jit32":
        moments._WITH_FLOAT64 = ()
    run(folder, how.removesuffix("32"))
