"""A fitted detector: from good images to judged ones, whatever the method."""

import dataclasses
import functools
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from gaussft_jax import methods, parallel
from gaussft_jax.arrays import digest_of
from gaussft_jax.backbones import NETWORKS, Backbone, LevelStore, Variables, create, load_backbone
from gaussft_jax.data import folds
from gaussft_jax.detector.fitting import Tuning, fit_model, tunable_part
from gaussft_jax.detector.folder import DESCRIPTION, read_detector, write_detector
from gaussft_jax.detector.images import checked
from gaussft_jax.detector.prediction import NOT_CALIBRATED, Prediction
from gaussft_jax.detector.set_up import AUTO, SetUp, affordable, choose
from gaussft_jax.evaluation import Calibration, cross_p_values, threshold
from gaussft_jax.methods import Method
from gaussft_jax.methods.method import in_order
from gaussft_jax.network import Images, Network, few_at_a_time
from gaussft_jax.scoring import Scorer, judge, mean_level_maps
from gaussft_jax.training import Recipe, Tuner
from gaussft_jax.vicinity import vicinity

__all__ = ["Detector"]

Calibrate = Literal["auto", "split", "cross", "none"]
_ENOUGH = 99  # held-out images from which on a false-alarm rate of 1 % can be told


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """A network, a method, and what the method knows of good images.

    Its arrays lie on the devices from the first call on. Detectors of the same shapes share their
    compiled functions.

    Attributes:
        network: with its weights, pre-trained or tuned.
        method: what distance means.
        models: references of the method: one, or one for each fold of a cross-calibration.
        image_size: side of the square that every image is resized to, pixels.
        level_weights: float32 [levels], as `gaussian.level_weights`; None: all alike.
        calibration: from held-out good images; None without.
        tuned: whether the network was tuned to the images.
        set_up: what was considered and found to choose the method (`SetUp.record`); None where it
            was given.
    """

    network: Network
    method: Method
    models: tuple[Any, ...]
    image_size: int
    level_weights: Float[Array | np.ndarray, " l"] | None = None
    calibration: Calibration | None = None
    tuned: bool = False
    set_up: dict[str, Any] | None = None

    MARKER: ClassVar[str] = DESCRIPTION
    """The file by which a detector's folder is known."""

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        method: str | Method = AUTO,
        backbone: str | Backbone = "efficientnet-lite0",
        weights: str | Path | Variables | None = None,
        recipe: Recipe | None = None,
        folder: str | Path | None = None,
        calibrate: Calibrate = "auto",
        dtype: str = "float32",
        seed: int = 0,
        budget: float = 3.0,
        **options: Any,
    ) -> "Detector":
        """The detector of what differs from `images`.

        Args:
            images: good images, RGB, grey levels 0..255, uint8 [n s s 3], as from
                `data.read_images`.
            method: a name in `methods.METHODS`, a method, or `auto`, which chooses by the images
                (`detector.set_up`).
            backbone: name of the network, or one of one's own (`Backbone.from_function`).
            weights: as in `load_backbone`.
            recipe: tunes the network to the images as well, `training.GUARDED` for example; three
                fifths of them are then fitted and tuned to, one decides when to stop, and one, of
                which neither knows, calibrates. None leaves the network frozen.
            folder: for the checkpoints of tuning, and of a method that learns: called again with
                the same images and arguments, it goes on from there. None keeps none.
            calibrate: `split` holds a fifth of the images out of the fit. `cross` does so five
                times and keeps five models, so that every image serves for both: finer p-values
                from few images, and up to five times the time to judge. `none` fits to all images.
                `auto` splits where a fifth is enough for a false-alarm rate of 1 %, or where the
                network is tuned, else crosses; of fewer than five images none is held out.
            dtype: as in `load_backbone`.
            seed: of tuning: the order of the images, and the vicinity draws.
            budget: of `auto`: what judging an image may cost, in times the cost of the paper's
                detector at 224 px.
            options: of the method, `gaussian="global"` for example (`methods.OPTIONS`).

        Raises:
            ValueError: images of another kind, too few, or all the same; an unknown method or
                option; a method that has no loss to tune to.
            NotFiniteError: tuning met a value that is not finite.
        """
        images = checked(images)
        if options and (method == AUTO or isinstance(method, Method)):
            raise ValueError(f"options {', '.join(options)} belong to a method given by its name")
        parts = _parts(len(images), calibrate, bool(recipe))
        loaded, variables = load_backbone(backbone, weights, dtype)
        loaded.check_size(images.shape[1])
        store = LevelStore() if method == AUTO or len(parts) > 1 else None
        if method == AUTO:
            # Where one model is calibrated, what calibrates it has no say in the choice.
            seen = images[parts[0][0]] if len(parts) == 1 else images
            plan = choose(loaded, variables, seen, budget, len(parts), bool(recipe), store)
        else:
            plan = SetUp(methods.create(method, **options) if isinstance(method, str) else method)
        method = plan.method
        scorer = Scorer(loaded, method, store=store, folder=Path(folder) if folder else None)
        with ExitStack() as stack:
            if recipe:
                tuner = Tuner(loaded, tunable_part(method), vicinity("all"), recipe)
                # The checkpoint of other images or arguments lies in another folder.
                name = digest_of((variables, images), (loaded, method, recipe, seed)).hex()
                place = folder or stack.enter_context(tempfile.TemporaryDirectory())
                tuning = Tuning(tuner, jax.random.key(seed), Path(place, name))
                how = recipe.level_weights, tuning, None
            else:
                total = sum(plan.count(len(training)) for training, *_ in parts)
                bar = stack.enter_context(tqdm(total=total, desc="fit", unit=" images"))
                how = "equal", None, bar.update
            models = []
            for training, validation, _ in parts:
                good, held_out = plan.fitted(images[training]), images[validation]
                models.append(fit_model(scorer, variables, good, held_out, *how))
        detector = cls(
            scorer.network(models[0].variables),
            method,
            tuple(model.references for model in models),
            images.shape[1],
            models[0].level_weights,
            tuned=bool(recipe),
            set_up=plan.record,
        )
        detector = detector.calibrated([images[held_out] for *_, held_out in parts])
        return dataclasses.replace(
            detector, network=dataclasses.replace(detector.network, store=None)
        )

    @staticmethod
    def auto_image_size(
        n: int,
        backbone: str | Backbone = "efficientnet-lite0",
        calibrate: Calibrate = "auto",
        budget: float = 3.0,
    ) -> int:
        """The image size, pixels, that `auto` prefers where n good images are to be fitted to.

        Args:
            n: number of images.
            backbone: as for `fit`, as are the others.
            calibrate: a single model leaves more of the budget for larger images.
            budget: what judging an image may cost.
        """
        models = len(_parts(n, calibrate, tuned=False))
        backbone = create(backbone) if isinstance(backbone, str) else backbone
        return affordable(backbone, budget, models)[0].image_size

    def calibrated(self, held_out: list[Images]) -> "Detector":
        """The detector with what each of its models makes of the good images held out of it.

        Args:
            held_out: for each model, images that it was not fitted, tuned or weighed on; none at
                all leave the detector as it is.
        """
        if not sum(map(len, held_out)):
            return self
        scores, maps, _ = zip(
            *(
                self.network.apply(judge, self.method, images, (references,), self.level_weights)
                for references, images in zip(self.models, held_out, strict=True)
            ),
            strict=True,
        )
        peaks = np.concatenate([part.max((1, 2)) for part in maps])
        return dataclasses.replace(self, calibration=Calibration(scores, peaks))

    def predict(self, images: np.ndarray | parallel.Share, progress: str | None = None):
        """Scores, anomaly maps and p-values of images.

        Args:
            images: RGB, grey levels 0..255, uint8 [n s s 3], resized to `image_size`.
            progress: label of a progress bar; None shows none.

        Returns:
            A `Prediction`.

        Raises:
            ValueError: images of another kind or size.
        """
        images = checked(images, self.image_size)
        scores, maps, by_model = self.network.apply(
            judge, self.method, images, *self._references, progress=progress
        )
        p_values = None
        if self.calibration:
            p_values = cross_p_values(self.calibration.scores, by_model.T)
        return Prediction(scores, maps, p_values)

    def level_maps(
        self, images: np.ndarray | parallel.Share
    ) -> tuple[Float[np.ndarray, "n _h _w"], ...]:
        """The distances of each level, float32 [n h w], mean over the detector's models.

        Args:
            images: as for `predict`.

        Raises:
            ValueError: images of another kind or size.
        """
        images, (models, _) = checked(images, self.image_size), self._references
        return self.network.apply(mean_level_maps, self.method, images, models)

    def judge(self, images: UInt8[Array, "n s s 3"]) -> tuple[Array, Array, Array]:
        """Scores [n] and maps [n s s] by all models together, and scores [n k] by each; pure.

        To be jitted or exported; `predict` computes the same.
        """
        constants = (self.variables, self.models, self.level_weights)
        variables, models, weights = jax.tree.map(jnp.asarray, constants)

        def few(images):
            levels = self.backbone.levels(variables, images)
            return judge(self.method, levels, self.image_size, models, weights)

        return few_at_a_time(few, images)

    @functools.cached_property
    def _references(self) -> tuple[tuple[Any, ...], Float[Array, " l"] | None]:
        return parallel.device_put((self.models, self.level_weights))

    @property
    def backbone(self) -> Backbone:
        """The network without its weights."""
        return self.network.backbone

    @property
    def variables(self) -> Variables:
        """The weights of the network."""
        return self.network.variables

    @property
    def options(self) -> dict[str, Any]:
        """The options of the method, as for `methods.create`."""
        return methods.options_of(self.method)

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
            raise ValueError(NOT_CALIBRATED)
        return threshold(self.calibration.peaks, alpha)

    def save(self, folder: str | Path) -> None:
        """Write the detector into `folder`, in place of an earlier one; whole or not at all.

        It holds detector.json and arrays.safetensors: named arrays without code, readable by any
        framework and on any platform.
        """
        tree = {
            "variables": self.variables,
            "models": self.models,
            **({"level_weights": self.level_weights} if self.level_weights is not None else {}),
            **({"calibration": self.calibration} if self.calibration else {}),
        }
        description = {
            "method": self.method.name,
            "options": self.options,
            "backbone": self.backbone.name,
            "dtype": self.backbone.dtype,
            "image_size": self.image_size,
            "tuned": self.tuned,
            "mean": self.backbone.mean,
            "std": self.backbone.std,
            "models": len(self.models),
            "held_out": len(self.calibration.peaks) if self.calibration else 0,
            **({"set_up": self.set_up} if self.set_up else {}),
        }
        write_detector(folder, description, tree)

    @classmethod
    def load(cls, folder: str | Path, backbone: Backbone | None = None) -> "Detector":
        """The detector that `save` wrote into `folder`.

        Args:
            folder: of the detector.
            backbone: the network, where the detector has one of one's own.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a file was changed, or another version of this package wrote it; a method or
                an option that this version does not know.
        """
        description, tree = read_detector(folder)
        try:
            method = methods.create(description["method"], **description["options"])
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error
        calibration = None
        if "calibration" in tree:
            scores = in_order(tree["calibration"]["scores"])
            calibration = Calibration(tuple(scores), tree["calibration"]["peaks"])
        backbone = _network(folder, description["backbone"], backbone)
        backbone = dataclasses.replace(backbone, dtype=description["dtype"])
        return cls(
            Scorer(backbone, method).network(tree["variables"]),
            method,
            tuple(method.restored(state) for state in in_order(tree["models"])),
            description["image_size"],
            tree.get("level_weights"),
            calibration,
            description["tuned"],
            description.get("set_up"),
        )


def _network(folder: str | Path, name: str, given: Backbone | None) -> Backbone:
    """The network of a saved detector, known or given."""
    if given is None and name in NETWORKS:
        return NETWORKS[name]
    if given is None or given.name != name:
        raise ValueError(
            f"{folder} needs the network {name!r}, which is one's own: give it, as in "
            "Detector.load(folder, backbone=...)"
        )
    return given


def _parts(n: int, calibrate: Calibrate, tuned: bool):
    """For each model, which images it is fitted on, which validate it, and which are held out."""
    if tuned:
        if n < 10:
            raise ValueError(f"tuning needs at least 10 good images, there are {n}")
        if calibrate not in ("auto", "split"):
            raise ValueError(f"a tuned network is calibrated by split, not by {calibrate}")
        rest, held_out = folds(n)[0]
        training, validation = folds(len(rest), 4)[0]
        return [(rest[training], rest[validation], held_out)]
    none = np.arange(0)
    if calibrate == "auto":
        calibrate = "none" if n < 5 else "split" if n // 5 >= _ENOUGH else "cross"
    if calibrate == "none":
        return [(np.arange(n), none, none)]
    count = 1 if calibrate == "split" else 5
    return [(training, none, held_out) for training, held_out in folds(n)[:count]]
