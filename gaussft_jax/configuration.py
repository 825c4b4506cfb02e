"""The configuration of an experiment: every field with its default, and what it may be."""

import os
from collections.abc import Mapping
from typing import Any, get_args

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from gaussft_jax.backbones import DTYPES, NETWORKS, create
from gaussft_jax.data import AUTO, LAYOUTS
from gaussft_jax.methods import METHODS, OPTIONS
from gaussft_jax.training.recipe import LevelWeights, Recipe, Stopping
from gaussft_jax.vicinity import vicinity

__all__ = ["CHOICES", "check", "default_config", "differences"]

_SCHEMES = ("augmix", "cutout", "confetti", "all", "patch", "scar", "cutpaste")

CHOICES: Mapping[str, tuple[str, ...]] = {
    "backbone": tuple(NETWORKS),
    "data.layout": (AUTO, *LAYOUTS),
    "dtype": tuple(DTYPES),
    "objective": tuple(METHODS),
    **{name: option.choices for name, option in OPTIONS.items() if option.choices},
    "vicinity": _SCHEMES,
    "exposure": ("", *_SCHEMES),
    "stopping": get_args(Stopping),
    "level_weights": get_args(LevelWeights),
    "evaluate_at": ("image_size", "original"),
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
    "ewc": 0.0,
}


def default_config() -> ConfigDict:
    """The frozen network with tied Gaussians and max aggregation, on five folds."""
    config = ConfigDict()
    config.data = ConfigDict()
    # Folder that holds one folder per category, in any layout; or CIFAR-10's, whose classes are
    # categories; or tfds:NAME (`data/layouts/tfds.py`).
    config.data.root = os.environ.get("GAUSSFT_DATA", "data")
    config.data.category = ""
    # How the category is laid out; `gaussft_jax/data/layouts` has a file for each.
    config.data.layout = AUTO

    config.backbone = "efficientnet-lite0"
    # Weight file, folder made by scripts/convert, or `random`; empty for the known weights.
    config.weights = ""
    # What the network computes in; statistics and distances are float32 or wider in any case.
    config.dtype = "float32"
    # Side of the square that every image is resized to, pixels; 0 for the network's own.
    config.image_size = 224
    # Where pixels are counted: at that size, or on masks as large as the photographs, `original`.
    config.evaluate_at = "image_size"

    # The method; `gaussft_jax/methods` has a file for each, with its options.
    config.objective = "gaussian"
    config.update({name: option.default for name, option in OPTIONS.items()})

    config.folds = (0, 1, 2, 3, 4)
    config.seed = 0

    # Fine-tuning; `training.Recipe` says what each field means.
    config.tune = False
    config.vicinity = "all"
    # What FCDD's training images are augmented by; empty for what `vicinity` says.
    config.exposure = ""
    config.severity = 3.0
    config.update(Recipe()._asdict())
    # Epochs between two looks at the state; changes no result.
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
            listed = ", ".join(choice or "'' (empty)" for choice in choices)
            raise ValueError(f"config.{field}={config[field]!r}; choose from: {listed}")
    if not config.data.category:
        raise ValueError(
            "config.data.category is empty; name a category, as in --config.data.category=bottle"
        )
    if not config.folds or not set(config.folds) <= set(range(5)):
        raise ValueError(f"config.folds={config.folds}; choose from 0, 1, 2, 3, 4")
    for field, least in _LEAST.items():
        if config[field] < least:
            raise ValueError(f"config.{field}={config[field]} is too small, it starts at {least}")
    if config.tune and not METHODS[config.objective].tunable:
        raise ValueError(
            f"config.objective={config.objective!r} has no loss to tune; --config.tune=0"
        )
    if config.exposure and (own := METHODS[config.objective].anomalies):
        raise ValueError(
            f"config.exposure={config.exposure!r}: {config.objective} takes {own}; leave it empty"
        )
    if config.objective == "ensemble" and config.level_weights != "equal":
        raise ValueError("config.objective='ensemble' weighs its levels itself; leave them equal")
    backbone = create(config.backbone)
    backbone.check_size(config.image_size)
    levels = [f"level {level}" for level in range(len(backbone.level_names))]
    words = ("all", "affine", "adapters", *levels)
    if config.trainable not in words:
        raise ValueError(f"config.trainable={config.trainable!r}; choose from: {', '.join(words)}")
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
