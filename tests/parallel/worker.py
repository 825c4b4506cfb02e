"""One process of a run on a small network: python worker.py FOLDER PARALLELISM [HOST:PORT N ID].

Leaves the scores, maps, moments and history in FOLDER/result.npz.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import conftest
import jax
import numpy as np

from gaussft_jax import objectives, parallel, training
from gaussft_jax.files import replacing
from gaussft_jax.scoring import Scorer
from gaussft_jax.vicinity import vicinity


def run(folder, parallelism):
    backbone, variables = conftest.tiny_network(repeats=1)
    images = conftest.striped_images()
    scorer = Scorer(backbone, objectives.gaussian(), 8)
    # 14 and 10 images in batches of 8 and 4: no device count above 2 divides any of them.
    references = scorer.fit(variables, images[:14])
    weights = scorer.weigh(variables, references, images[14:])
    scores, maps = scorer.score(variables, references, images, weights)
    local = Scorer(backbone, objectives.gaussian("local"), 8)
    local_scores, _ = local.score(variables, local.fit(variables, images[:14]), images)
    recipe = training.Recipe(
        learning_rate=1e-4, batch_size=4, max_epochs=3, stopping="fixed", redraw=True, l2_sp=0.1
    )
    # Exposed to outliers, so that the draws of the training images are compared as well.
    objective = scorer.objective._replace(outlier_exposure=True)
    tuner = training.Tuner(backbone, objective, vicinity("cutout"), recipe, parallelism)
    tuned = tuner.tune(variables, references, images[:14], images[14:], jax.random.key(0), folder)
    if parallel.is_first():
        with replacing(Path(folder, "result.npz")) as path, path.open("wb") as file:
            np.savez(
                file,
                devices=jax.device_count(),
                scores=scores,
                maps=maps,
                local_scores=local_scores,
                mean=references[5].mean,
                whitening=references[5].whitening,
                loss=tuned.history.loss[1:],
                validation_loss=tuned.history.validation_loss,
                vicinity_auroc=tuned.history.vicinity_auroc,
            )


if __name__ == "__main__":
    folder, parallelism, *others = sys.argv[1:]
    if others:
        parallel.start(others[0], *map(int, others[1:]))
    run(folder, parallelism)
