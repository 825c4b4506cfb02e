"""A fitted detector: from good images to a folder, and from that folder to judged images."""

import functools
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.serialization import to_state_dict
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Bool, Float, UInt8

from gaussft_jax.arrays import digest_of, load_arrays, save_arrays
from gaussft_jax.backbones import (
    LEVELS,
    Backbone,
    LevelStore,
    Variables,
    create,
    load_backbone,
)
from gaussft_jax.data import folds
from gaussft_jax.evaluation import Calibration, cross_p_values, threshold
from gaussft_jax.files import read_json, replacing_folder, write_json
from gaussft_jax.gaussian import (
    Aggregation,
    Gaussian,
    Kind,
    LowRankGaussian,
    anomaly_map,
    image_score,
)
from gaussft_jax.objectives import gaussian, mahalanobis_maps
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import GUARDED, Recipe, Tuner
from gaussft_jax.vicinity import vicinity

__all__ = ["Detector", "Prediction"]

_SCHEMA = 2
_NOT_CALIBRATED = "the detector is not calibrated: fit it with calibrate='split'"

Calibrate = Literal["auto", "split", "cross", "none"]
_ENOUGH = 99  # held-out images from which on a false-alarm rate of 1 % can be told


class Prediction(NamedTuple):
    """Judged images.

    Attributes:
        scores: float32 [n], Mahalanobis distance, mean over the detector's models.
        maps: anomaly maps, float32 [n s s], distance, likewise.
        p_values: how often a good image looks at least as anomalous, in (0, 1], float64 [n]; None
            without calibration. Calling all of p <= alpha defective raises a false alarm for a
            share of at most alpha of the good images (see `evaluation.p_values`; across folds,
            `evaluation.cross_p_values`).
    """

    scores: Float[np.ndarray, " n"]
    maps: Float[np.ndarray, "n s s"]
    p_values: Float[np.ndarray, " n"] | None

    def defective(self, alpha: float = 0.01) -> Bool[np.ndarray, " n"]:
        """Which images raise an alarm at a false-alarm rate of `alpha`, bool [n].

        Raises:
            ValueError: the detector is not calibrated.
        """
        if self.p_values is None:
            raise ValueError(_NOT_CALIBRATED)
        return self.p_values <= alpha


class Detector(NamedTuple):
    """A network and the Gaussians of its features on good images.

    Attributes:
        backbone: the network.
        variables: its weights.
        models: one, or one per fold; each has a Gaussian per level.
        image_size: side of the square that every image is resized to, pixels.
        aggregation: `max` or `mean` over the locations of a level, for the image score.
        calibration: from held-out good images; None without.
        weights: of the levels, float32 [levels], as `gaussian.level_weights`; None: all alike.
        tuned: whether the network was tuned to the images.
    """

    backbone: Backbone
    variables: Variables
    models: tuple[tuple[Gaussian | LowRankGaussian, ...], ...]
    image_size: int
    aggregation: Aggregation = "max"
    calibration: Calibration | None = None
    weights: Float[Array | np.ndarray, " l"] | None = None
    tuned: bool = False

    @classmethod
    def fit(
        cls,
        images: UInt8[np.ndarray, "n s s 3"],
        backbone: str = "efficientnet-lite0",
        kind: Kind = "tied",
        aggregation: Aggregation = "max",
        weights: str | Path | None = None,
        calibrate: Calibrate = "auto",
    ) -> "Detector":
        """The detector of what differs from `images`.

        Args:
            images: good images, RGB, uint8 [n s s 3], as from `data.read_images`.
            backbone: name of the network.
            kind: `tied`, `global` or `local` Gaussians.
            aggregation: `max` or `mean`.
            weights: as in `load_backbone`.
            calibrate: `split` holds a fifth of the images out of the fit. `cross` does so five
                times and keeps five models, so that every image serves for both: finer p-values
                from few images, and twice the time to judge. `none` fits to all images. `auto`
                splits where a fifth is enough for a false-alarm rate of 1 %, else crosses; of
                fewer than five images none is held out.

        Raises:
            ValueError: fewer than two images, or images that are all the same.
        """
        network, variables = load_backbone(backbone, weights)
        scorer = Scorer(network, gaussian(kind, aggregation))
        parts = _parts(len(images), calibrate)
        if len(parts) > 1:
            scorer = scorer._replace(store=LevelStore(tempfile.gettempdir()))
        models = tuple(scorer.fit(variables, images[training]) for training, _ in parts)
        detector = cls(network, variables, models, images.shape[1], aggregation)
        return detector._calibrated(scorer, [images[held_out] for _, held_out in parts])

    @classmethod
    def tune(
        cls,
        images: UInt8[np.ndarray, "n s s 3"],
        folder: str | Path,
        recipe: Recipe = GUARDED,
        backbone: str = "efficientnet-lite0",
        kind: Kind = "tied",
        aggregation: Aggregation = "max",
        weights: str | Path | None = None,
        seed: int = 0,
    ) -> "Detector":
        """The detector of what differs from `images`, with a network tuned to them.

        Three fifths of the images are fitted and tuned to, one decides when to stop, and one, of
        which neither knows, calibrates.

        Args:
            images: good images, RGB, uint8 [n s s 3], n >= 10.
            folder: for checkpoints: called again with the same images and arguments, it goes on
                from there.
            recipe: how to tune; the default is that of configs/mvtec_guarded.py.
            backbone: name of the network.
            kind: `tied`, `global` or `local` Gaussians.
            aggregation: `max` or `mean`.
            weights: as in `load_backbone`.
            seed: of the order of the images and the vicinity draws.

        Raises:
            ValueError: too few images.
            NotFiniteError: tuning met a value that is not finite.
        """
        if len(images) < 10:
            raise ValueError(f"tuning needs at least 10 good images, there are {len(images)}")
        rest, held_out = folds(len(images))[0]
        training, validation = (rest[part] for part in folds(len(rest), 4)[0])
        network, variables = load_backbone(backbone, weights)
        objective = gaussian(kind, aggregation)
        scorer = Scorer(network, objective)
        references = scorer.fit(variables, images[training])
        tuner = Tuner(network, objective, vicinity("all"), recipe)
        # The checkpoint of other images or arguments lies in another folder.
        arguments = (network, kind, aggregation, recipe, seed)
        folder = Path(folder, digest_of((variables, images), arguments).hex())
        key = jax.random.key(seed)
        variables = tuner.tune(
            variables, references, images[training], images[validation], key, folder
        ).variables
        level_weights = None
        if recipe.level_weights == "standardised":
            level_weights = scorer.weigh(variables, references, images[validation])
        detector = cls(
            network, variables, (references,), images.shape[1], aggregation,
            weights=level_weights, tuned=True,
        )  # fmt: skip
        return detector._calibrated(scorer, [images[held_out]])

    def _calibrated(self, scorer: Scorer, held_out: list[np.ndarray]) -> "Detector":
        """The detector with what each of its models makes of the images held out of it."""
        if not sum(map(len, held_out)):
            return self
        judge = _judge(self.aggregation)
        scores, maps, _ = zip(
            *(
                scorer.apply(judge, self.variables, images, (model,), self.weights)
                for model, images in zip(self.models, held_out, strict=True)
            ),
            strict=True,
        )
        peaks = np.concatenate([part.max((1, 2)) for part in maps])
        return self._replace(calibration=Calibration(scores, peaks))

    def predict(
        self, images: UInt8[np.ndarray, "n s s 3"], progress: str | None = None
    ) -> Prediction:
        """Scores, anomaly maps and p-values of images.

        Args:
            images: RGB, uint8 [n s s 3], resized to `image_size`.
            progress: label of a progress bar; None shows none.
        """
        judge, others = _judge(self.aggregation), (self.models, self.weights)
        scores, maps, by_model = self._scorer.apply(
            judge, self.variables, images, *others, progress=progress
        )
        p_values = None
        if self.calibration:
            p_values = cross_p_values(self.calibration.scores, by_model.T)
        return Prediction(scores, maps, p_values)

    def level_maps(
        self, images: UInt8[np.ndarray, "n s s 3"]
    ) -> tuple[Float[np.ndarray, "n _h _w"], ...]:
        """The distances of each level, float32 [n h w], mean over the detector's models."""
        return self._scorer.apply(_level_maps, self.variables, images, self.models)

    def judge(self, images: UInt8[Array, "n s s 3"]) -> tuple[Array, Array, Array]:
        """Scores [n] and maps [n s s] by all models together, and scores [n k] by each; pure."""
        levels = self.backbone.levels(jax.tree.map(jnp.asarray, self.variables), images)
        return _judge(self.aggregation)(levels, self.image_size, self.models, self.weights)

    @property
    def _scorer(self) -> Scorer:
        return Scorer(self.backbone, gaussian())

    @property
    def kind(self) -> Kind:
        """Whether the Gaussians are `tied`, `global` or `local`."""
        level = self.models[0][0]
        if isinstance(level, LowRankGaussian) or level.whitening.ndim == 4:
            return "local"
        return "tied" if level.mean.ndim == 3 else "global"

    @property
    def smallest_rate(self) -> float | None:
        """The smallest false-alarm rate that the calibration can tell; None without."""
        return self.calibration.smallest_rate if self.calibration else None

    def pixel_threshold(self, alpha: float) -> float:
        """The map value that a share of at most alpha of the good images exceeds anywhere.

        Where there are several models, each image was compared with the one it was held out of,
        and the guarantee holds for those; the mean of the models stays below it as a rule.

        Args:
            alpha: false-alarm rate, at least 1 / (n + 1) for n held-out images.

        Raises:
            ValueError: the detector is not calibrated, or on too few images.
        """
        if not self.calibration:
            raise ValueError(_NOT_CALIBRATED)
        return threshold(self.calibration.peaks, alpha)

    def save(self, folder: str | Path) -> None:
        """Write the detector into `folder`, in place of an earlier one; whole or not at all.

        It holds detector.json and arrays.safetensors: named arrays without code, readable by any
        framework and on any platform.
        """
        tree = to_state_dict({
            "variables": self.variables,
            "models": self.models,
            **({"weights": self.weights} if self.weights is not None else {}),
            **({"calibration": self.calibration} if self.calibration else {}),
        })  # fmt: skip
        description = {
            "schema": _SCHEMA,
            "backbone": self.backbone.name,
            "image_size": self.image_size,
            "gaussian": self.kind,
            "aggregation": self.aggregation,
            "tuned": self.tuned,
            "mean": self.backbone.mean,
            "std": self.backbone.std,
            "levels": LEVELS,
            "models": len(self.models),
            "held_out": len(self.calibration.peaks) if self.calibration else 0,
            "version": version("gaussft_jax"),
            "jax": version("jax"),
        }
        with replacing_folder(folder) as beside:
            digest = save_arrays(beside / "arrays.safetensors", flatten_dict(tree, sep="/"))
            write_json(beside / "detector.json", {**description, "sha256": digest})

    @classmethod
    def load(cls, folder: str | Path) -> "Detector":
        """The detector that `save` wrote into `folder`.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a file was changed, or another version of this package wrote it.
        """
        folder = Path(folder)
        path = folder / "detector.json"
        if not path.is_file():
            raise FileNotFoundError(f"{folder} holds no detector; make one with `gaussft fit`")
        description = read_json(path)
        if (schema := description["schema"]) != _SCHEMA:
            remedy = "update gaussft_jax" if schema > _SCHEMA else "fit it again"
            raise ValueError(
                f"{folder} was written by gaussft_jax {description['version']} in schema {schema}, "
                f"this version reads {_SCHEMA}: {remedy}"
            )
        arrays = load_arrays(folder / "arrays.safetensors", description["sha256"])
        tree = unflatten_dict(arrays, sep="/")
        models = tuple(
            tuple(
                (LowRankGaussian if "basis" in fields else Gaussian)(**fields)
                for fields in _in_order(model)
            )
            for model in _in_order(tree["models"])
        )
        calibration = None
        if "calibration" in tree:
            scores = _in_order(tree["calibration"]["scores"])
            calibration = Calibration(tuple(scores), tree["calibration"]["peaks"])
        return cls(
            create(description["backbone"]),
            tree["variables"],
            jax.tree.map(jnp.asarray, models),
            description["image_size"],
            description["aggregation"],
            calibration,
            tree.get("weights"),
            description.get("tuned", False),  # absent in detectors of before the field
        )


def _in_order(numbered):
    return [value for _, value in sorted(numbered.items(), key=lambda item: int(item[0]))]


def _parts(n: int, calibrate: Calibrate):
    """Which images each model is fitted to, and which are held out of it."""
    if calibrate == "auto":
        calibrate = "none" if n < 5 else "split" if n // 5 >= _ENOUGH else "cross"
    if calibrate == "none":
        return [(np.arange(n), np.arange(0))]
    return folds(n)[:1] if calibrate == "split" else folds(n)


def _level_maps(levels, size, models):
    """The distances of each level, mean over the models."""
    return _mean([mahalanobis_maps(model, levels) for model in models])


def _mean(by_model):
    return tuple(sum(maps) / len(maps) for maps in zip(*by_model, strict=True))


@functools.cache
def _judge(aggregation: Aggregation) -> Callable:
    """Score and map by all models together, and the score by each."""

    def judge(levels, size, models, weights):
        maps = [mahalanobis_maps(model, levels) for model in models]
        by_model = jnp.stack([image_score(of, aggregation, weights) for of in maps], 1)
        # A map is linear in those of the levels: their mean is enlarged once for all models.
        return by_model.mean(1), anomaly_map(_mean(maps), size, weights), by_model

    return judge
