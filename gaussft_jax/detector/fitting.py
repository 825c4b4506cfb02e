"""One model from good images: references, tuning, level weights."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from gaussft_jax.backbones import Variables
from gaussft_jax.methods import Ensemble, Method
from gaussft_jax.methods.ensemble import BLOCK
from gaussft_jax.network import Images, Progress
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import LevelWeights, Task, Tuned, Tuner

__all__ = ["Model", "Tuning", "fit_model", "tunable_part"]


class Tuning(NamedTuple):
    """How the network of a model is tuned, and where.

    Attributes:
        tuner: compiled once for all models.
        key: random key of this one.
        folder: for its checkpoints.
        epochs_per_call: as in `training.Tuner.tune`.
    """

    tuner: Tuner
    key: PRNGKeyArray
    folder: str | Path
    epochs_per_call: int = 1


class Model(NamedTuple):
    """What good images gave.

    Attributes:
        variables: of the network, as they were or tuned.
        references: of the method.
        level_weights: float32 [levels]; None weighs all alike.
        tuned: how tuning went; None for a frozen network.
    """

    variables: Variables
    references: Any
    level_weights: Float[Array, " l"] | None
    tuned: Tuned | None


def fit_model(
    scorer: Scorer,
    variables: Variables,
    training: Images,
    validation: Images,
    level_weights: LevelWeights = "equal",
    tuning: Tuning | None = None,
    progress: Progress | None = None,
) -> Model:
    """Fit references, then tune the network to them, then weigh the levels.

    An ensemble is tuned to the first of its members that can be, which keeps its references. The
    others are fitted to the tuned features, and all standardised by images that it was not tuned
    to. A method that has a network tuned to something else is fitted to the tuned features.

    Args:
        scorer: network and method.
        variables: pre-trained.
        training: good images that the references are fitted on, and the network is tuned to.
        validation: other good images, which decide when tuning stops, and weigh the levels.
        level_weights: `equal`, or `standardised` by their spread over the validation images.
        tuning: None leaves the network as it is.
        progress: as in `Scorer.fit`.

    Raises:
        ValueError: too few images; the message says for what.
        NotFiniteError: as for `training.Tuner.tune`.
    """
    method, tuned, weights = scorer.method, None, None
    if not tuning:
        references = scorer.fit(variables, training, progress)
    else:
        tuned_to = scorer._replace(method=tunable_part(method))
        references = tuned_to.fit(variables, training, progress)
        task = Task(variables, references, training, validation, tuning.key)
        tuned = tuning.tuner.tune(task, tuning.folder, tuning.epochs_per_call)
        variables = tuned.variables
        if isinstance(method, Ensemble):
            kept = {tuned_to.method: references}
            images = _every_fifth(training, validation)
            references = scorer.fit(variables, images, progress, kept=kept)
        elif tuned_to.method is not method:
            references = scorer.fit(variables, training, progress)
    if level_weights == "standardised" and not isinstance(method, Ensemble):
        weights = scorer.weigh(variables, references, validation)
    return Model(variables, references, weights, tuned)


def tunable_part(method: Method) -> Method:
    """What a network is tuned to: the method itself, another one, or that of an ensemble's member.

    Raises:
        ValueError: it has no loss to tune to.
    """
    if method.tuned_member is None:
        raise ValueError(f"the method {method.name} has no loss to tune to: leave it frozen")
    return method.tuned_member


def _every_fifth(
    others: UInt8[np.ndarray, "n s s 3"], fifths: UInt8[np.ndarray, "m s s 3"]
) -> UInt8[np.ndarray, "k s s 3"]:
    """Blocks of the others, of which an ensemble holds out the last: one of the fifths."""
    size = BLOCK - 1
    count = min(len(others) // size, len(fifths))
    blocks = others[: size * count].reshape(count, size, *others.shape[1:])
    return np.concatenate([blocks, fifths[:count, None]], 1).reshape(-1, *others.shape[1:])
