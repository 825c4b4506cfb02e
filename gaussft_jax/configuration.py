"""The configuration of an experiment: every field with its default, and what it may be."""

import os
from collections.abc import Mapping
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from gaussft_jax.backbones import LEVELS, SPECIFICATIONS
from gaussft_jax.training import Recipe
from gaussft_jax.vicinity import vicinity

__all__ = ["CHOICES", "FROZEN_ONLY", "check", "default_config", "differences"]

FROZEN_ONLY = ("gaussian_ad", "padim", "spade")

CHOICES: Mapping[str, tuple[str, ...]] = {
    "backbone": tuple(SPECIFICATIONS),
    "dtype": ("float32", "bfloat16"),
    "gaussian": ("tied", "global", "local"),
    "aggregation": ("max", "mean"),
    "objective": ("gaussian", "deep_svdd", "fcdd", *FROZEN_ONLY),
    "svdd_norm": ("l1", "l2"),
    "vicinity": ("augmix", "cutout", "confetti", "all"),
    "stopping": ("vicinity", "fixed", "validation_loss"),
    "level_weights": ("equal", "standardised"),
    "trainable": ("all", "affine", *(f"level {level}" for level in range(len(LEVELS)))),
    "parallelism": ("jit", "pmap"),
}

# Of speed and memory only: no result depends on them.
_NO_MATTER = ("epochs_per_call", "scoring_batch_size")

_LEAST = {
    "image_size": 0,
    "scoring_batch_size": 0,
    "batch_size": 1,
    "max_epochs": 1,
    "patience": 1,
    "draws_per_image": 1,
    "epochs_per_call": 1,
    "learning_rate": 0.0,
    "weight_decay": 0.0,
    "l2_sp": 0.0,
}


def default_config() -> ConfigDict:
    """The frozen network with tied Gaussians and max aggregation, on five folds."""
    config = ConfigDict()
    config.data = ConfigDict()
    # Folder that holds one folder per category, in the MVTec AD layout; or CIFAR-10's, whose
    # classes are categories; or tfds:NAME (`data.read_tfds_category`).
    config.data.root = os.environ.get("GAUSSFT_DATA", "data")
    config.data.category = ""

    config.backbone = "efficientnet-lite0"
    # Weight file, folder made by scripts/convert, or `random`; empty for the known weights.
    config.weights = ""
    # What the network computes in; statistics and distances are float32 or wider in any case.
    config.dtype = "float32"
    # Side of the square that every image is resized to, pixels; 0 for the network's own.
    config.image_size = 224

    config.objective = "gaussian"
    config.gaussian = "tied"
    config.aggregation = "max"
    config.svdd_norm = "l1"

    config.folds = (0, 1, 2, 3, 4)
    config.seed = 0

    # Fine-tuning; `training.Recipe` says what each field means.
    config.tune = False
    config.vicinity = "all"
    config.severity = 3.0
    config.update(Recipe()._asdict())
    # Epochs between two checkpoints.
    config.epochs_per_call = 1

    # Images per call where nothing is tuned, on all devices together; 0 chooses by their kind.
    config.scoring_batch_size = 0
    config.parallelism = "jit"
    return config.lock()


def check(config: ConfigDict) -> None:
    """Refuse a configuration that cannot run.

    Raises:
        ValueError: a field is unknown, missing or has a value that it may not have.
    """
    known, given = _flat(default_config()), _flat(config)
    unknown, missing = sorted(given.keys() - known.keys()), sorted(known.keys() - given.keys())
    if unknown or missing:
        raise ValueError(
            f"config: unknown fields {unknown}, missing fields {missing}; "
            "start from gaussft_jax.configuration.default_config()"
        )
    for field, choices in CHOICES.items():
        if config[field] not in choices:
            raise ValueError(f"config.{field}={config[field]!r}; choose from: {', '.join(choices)}")
    if not config.data.category:
        raise ValueError(
            "config.data.category is empty; name a category, as in --config.data.category=bottle"
        )
    if not config.folds or not set(config.folds) <= set(range(5)):
        raise ValueError(f"config.folds={config.folds}; choose from 0, 1, 2, 3, 4")
    for field, least in _LEAST.items():
        if config[field] < least:
            raise ValueError(f"config.{field}={config[field]} is too small, it starts at {least}")
    if config.tune and config.objective in FROZEN_ONLY:
        raise ValueError(
            f"config.objective={config.objective!r} has no loss to tune; --config.tune=0"
        )
    vicinity(config.vicinity, config.severity)  # refuses a severity out of range
    if not 0 < config.augmented < 1:
        raise ValueError(f"config.augmented={config.augmented}; choose a fraction between 0 and 1")


def differences(old: Mapping | ConfigDict, new: Mapping | ConfigDict) -> dict[str, tuple[Any, Any]]:
    """The old and the new value of each field of two configurations that changes results.

    A field that `old` lacks is younger than the run that wrote it, which did as the default says.
    """
    old, new = _flat(default_config()) | _flat(old), _flat(new)
    return {
        field: (old.get(field), new.get(field))
        for field in sorted(old.keys() | new.keys())
        if field not in _NO_MATTER and old.get(field) != new.get(field)
    }


def _flat(config: Mapping | ConfigDict) -> dict[str, Any]:
    plain = config.to_dict() if isinstance(config, ConfigDict) else config
    flat = flatten_dict(plain, sep=".")
    return {key: list(x) if isinstance(x, tuple) else x for key, x in flat.items()}
