"""An experiment from configuration to results: folds fitted, scored, measured and reported."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import UInt8
from ml_collections import ConfigDict

from gaussft_jax import configuration, methods, parallel
from gaussft_jax.backbones import LevelStore, load_backbone
from gaussft_jax.data import ImageFile, folds, read_category, read_images, source
from gaussft_jax.detector import Detector, Model, Tuning, fit_model, tunable_part
from gaussft_jax.evaluation import (
    Scored,
    read_level_maps,
    read_scored,
    write_level_maps,
    write_scored,
)
from gaussft_jax.files import check_apart, check_folder, check_own, read_json, write_json
from gaussft_jax.methods import Method
from gaussft_jax.report import shown, write_overlays, write_report
from gaussft_jax.results import Truth, measure, read_truth, results_of
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import Recipe, Tuner, read_metrics
from gaussft_jax.vicinity import vicinity

__all__ = ["check_workdir", "make_method", "report_again", "train_and_evaluate"]


class _Photographs(NamedTuple):
    """A category in memory, each process with its share of the images."""

    train: parallel.Share
    test: parallel.Share
    truth: Truth
    size: int


def train_and_evaluate(
    config: ConfigDict, workdir: str | Path, store: LevelStore | None = None
) -> dict[str, Any]:
    """Run the experiment that `config` describes and leave its results in `workdir`.

    Written are `config.json`, `results.json`, `report.html`, `overlays/` (the first fold's
    heatmaps, of `report.OVERLAYS` images at most) and for each fold `foldK/result.json`,
    `foldK/scores.csv` and `foldK/detector`, which `Detector.load` and `gaussft predict` read. Folds
    that are there already are not run again, so a killed run goes on where it stopped.

    Args:
        config: as `configuration.default_config`.
        workdir: a folder, created if missing.
        store: levels of the frozen network, where other runs want them too; None for those of this
            run alone.

    Returns:
        What results.json holds.

    Raises:
        ValueError: the configuration, an image or a mask is wrong, or `workdir` belongs to another
            configuration or holds something else (`check_workdir`); the message says which.
        FileNotFoundError: data or weights are missing; the message says what to put where.
    """
    configuration.check(config)
    with _claimed(Path(workdir), config) as workdir:
        return _train_and_evaluate(config, workdir, store)


def _train_and_evaluate(
    config: ConfigDict, workdir: Path, store: LevelStore | None
) -> dict[str, Any]:
    backbone, variables = load_backbone(config.backbone, config.weights or None, config.dtype)
    size = config.image_size or backbone.image_size
    photographs = _read(config, size)
    scorer = Scorer(backbone, make_method(config), config.scoring_batch_size)
    if not config.tune:
        # Folds share most of their images.
        scorer = scorer._replace(store=store or LevelStore())
    tuner = _make_tuner(config, scorer) if config.tune else None
    variables = parallel.device_put(variables)

    records, shown_fold = [], None
    for fold in config.folds:
        folder = workdir / f"fold{fold}"
        # Only the fold that the report shows keeps its maps.
        needed = ["result.json", "maps.npy"] if fold == config.folds[0] else ["result.json"]
        if parallel.broadcast(all((folder / name).exists() for name in needed)):
            record = read_json(folder / "result.json")
        else:
            record, scored = _run_fold(fold, folder, scorer, tuner, variables, photographs, config)
            shown_fold = scored if fold == config.folds[0] else shown_fold
        records.append(record)

    described = Detector(scorer.network(variables), scorer.method, (), size, tuned=config.tune)
    listed = {**config.to_dict(), "folds": list(config.folds)}
    results = results_of(described, config.data.category, records, listed)
    test = photographs.test.gather(photographs.test.local)
    if parallel.is_primary():
        write_json(workdir / "results.json", results)
        _show(workdir, results, test, photographs, config.folds[0], shown_fold)
    return results


def report_again(workdir: str | Path) -> None:
    """Make report and overlays of a finished experiment anew, after an update of them say.

    Raises:
        FileNotFoundError: the experiment is not finished, or its images are gone.
        ValueError: the results are those of `gaussft evaluate`.
    """
    workdir = Path(workdir)
    path = workdir / "results.json"
    if not path.exists():
        raise FileNotFoundError(f"{workdir} holds no results.json: finish the experiment first")
    results = read_json(path)
    if "data" not in results.get("config", {}):
        raise ValueError(f"{workdir} holds no experiment; run the `gaussft evaluate` again")
    config = configuration.default_config()
    config.update(results["config"])
    check_workdir(workdir, config)
    photographs = _read(config, results["image_size"])
    _show(workdir, results, photographs.test.local, photographs, config.folds[0])


def make_method(config: ConfigDict) -> Method:
    """The method that the configuration names, with its options."""
    names = methods.flags(config.objective, config.ensemble_members)
    return methods.create(config.objective, **{name: config[name] for name in names})


def check_workdir(workdir: str | Path, config: ConfigDict) -> None:
    """Refuse a folder in which the run would write over anything but an earlier run.

    Raises:
        NotADirectoryError: a file is in the way.
        ValueError: the folder holds something else under the names of a run's files, or the run
            would write among its own photographs.
    """
    workdir = Path(workdir)
    # Other programs name a backbone in a config.json too; a vicinity none of them.
    check_own(
        workdir, ("config.json", "results.json", "report.html", "overlays", "fold[0-9]"), "vicinity"
    )
    folders = [workdir / name for name in ("overlays", *(f"fold{fold}" for fold in config.folds))]
    for folder in folders:
        check_folder(folder)
        check_apart(folder, [source(**config.data)])


@contextmanager
def _claimed(workdir: Path, config: ConfigDict) -> Iterator[Path]:
    """The folder with the configuration in it, for this run alone while it lasts.

    Refused is a folder with the results of another configuration, or in which a run is at work.
    """
    check_workdir(workdir, config)
    workdir.mkdir(parents=True, exist_ok=True)
    # One process of a run holds the lock for all; the system frees it, however the process ends.
    lock = FileLock(workdir / ".lock", timeout=0) if parallel.is_primary() else nullcontext()
    with ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except Timeout:
            raise ValueError(
                f"another run is at work in {workdir}: wait for it, or choose another --workdir"
            ) from None
        _claim(workdir, config)
        yield workdir


def _claim(workdir: Path, config: ConfigDict) -> None:
    path = workdir / "config.json"
    new = config.to_dict()
    # A run that failed before its first fold, for a wrong path say, holds nothing to protect.
    if path.exists() and any(workdir.glob("fold*")):
        old = read_json(path)
        # Which folds are run changes no fold's result.
        changed = configuration.differences({**old, "folds": ()}, {**new, "folds": ()})
        if changed:
            listed = "; ".join(f"{field}: {a!r} -> {b!r}" for field, (a, b) in changed.items())
            raise ValueError(
                f"{workdir} holds a run of another configuration ({listed}); "
                "choose another --workdir or remove this one"
            )
    if parallel.is_primary():
        write_json(path, new)


def _read(config: ConfigDict, size: int) -> _Photographs:
    category = read_category(**config.data)
    if not category.test:
        raise FileNotFoundError(
            f"{config.data.root}/{config.data.category} has no test images to evaluate on"
        )
    for note in category.notes if parallel.is_primary() else ():
        print(note, file=sys.stderr)
    return _Photographs(
        _read_share(category.train, size, "read training images"),
        _read_share([image.path for image in category.test], size, "read test images"),
        read_truth(category, size, config.evaluate_at),
        size,
    )


def _read_share(paths: Sequence[ImageFile], size: int, progress: str) -> parallel.Share:
    owners = parallel.owners(len(paths))
    own = [path for path, owner in zip(paths, owners, strict=True) if owner == jax.process_index()]
    return parallel.Share(read_images(own, size, progress=progress), owners)


def _make_tuner(config: ConfigDict, scorer: Scorer) -> Tuner:
    recipe = Recipe(**{field: config[field] for field in Recipe._fields})
    augment = vicinity(config.vicinity, config.severity)
    exposure = vicinity(config.exposure or config.vicinity, config.severity)
    method = tunable_part(scorer.method)
    return Tuner(scorer.backbone, method, augment, recipe, config.parallelism, exposure)


def _run_fold(
    fold, folder, scorer, tuner, variables, photographs, config
) -> tuple[dict[str, Any], Scored]:
    if parallel.is_primary():
        print(f"{config.data.category}: fold {fold}", flush=True)
    start = time.perf_counter()
    training, validation = (
        photographs.train[part] for part in folds(len(photographs.train), seed=0)[fold]
    )
    tuning = None
    if tuner:
        key = jax.random.fold_in(jax.random.key(config.seed), fold)
        tuning = Tuning(tuner, key, folder, config.epochs_per_call)
    scorer = scorer._replace(folder=folder if parallel.is_primary() else None)
    model = fit_model(scorer, variables, training, validation, config.level_weights, tuning)
    detector = Detector(
        scorer.network(model.variables), scorer.method, (model.references,),
        photographs.size, model.level_weights, tuned=config.tune,
    )  # fmt: skip
    if not config.tune and model.level_weights is None:  # else the validation images chose
        detector = detector.calibrated([validation])
    measured = measure(detector, photographs.test, *photographs.truth)
    record = {"fold": fold, **_described(model), **measured.metrics}
    notes = measured.notes
    if model.tuned is None:
        notes["vicinity_auroc"] = "the network is frozen: nothing was validated"
    record |= {"seconds": time.perf_counter() - start, "notes": notes}
    reported = fold == config.folds[0]
    if reported:
        chosen = shown(measured.scored)
        level_maps = detector.level_maps(photographs.test[chosen])
    if parallel.is_primary():
        detector.save(folder / "detector")
        write_scored(folder, measured.scored, maps=reported)
        if reported:
            write_level_maps(folder, chosen, level_maps)
        write_json(folder / "result.json", record)
    return record, measured.scored


def _described(model: Model) -> dict[str, Any]:
    """What a fold's result says of its model."""
    record = {"epochs": 0, "best_epoch": 0, "vicinity_auroc": None}
    if tuned := model.tuned:
        auroc = float(tuned.history.vicinity_auroc[tuned.best_epoch])
        record = {"epochs": tuned.epochs, "best_epoch": tuned.best_epoch, "vicinity_auroc": auroc}
    shrinkages = [getattr(level, "shrinkage", None) for level in model.references]
    if not any(shrinkage is None for shrinkage in shrinkages):
        record["shrinkage"] = [float(np.mean(shrinkage)) for shrinkage in shrinkages]
    if model.level_weights is not None:
        record["level_weights"] = np.asarray(model.level_weights).tolist()
    return record


def _show(
    workdir: Path,
    results: dict[str, Any],
    images: UInt8[np.ndarray, "n s s 3"],
    photographs: _Photographs,
    fold: int,
    scored: Scored | None = None,
) -> None:
    """The report and the overlays, of a fold that was just scored or that left its maps on disk."""
    folder = workdir / f"fold{fold}"
    scored = scored or read_scored(folder, photographs.truth.masks)
    write_overlays(workdir / "overlays", images, scored, shown(scored))
    histories = []
    for record in results["folds"] if results["tuned"] else ():
        history = read_metrics(workdir / f"fold{record['fold']}")
        histories.append({**history._asdict(), "best_epoch": record["best_epoch"]})
    report = write_report(
        workdir / "report.html",
        results=results,
        images=images,
        scored=scored,
        histories=histories,
        fold=fold,
        level_maps=read_level_maps(folder),
    )
    mean = ", ".join(
        f"{key} {'-' if value is None else format(100 * value, '.2f')}"
        for key, value in results["mean"].items()
    )
    print(f"{results['category']}: {mean}\nresults: {workdir / 'results.json'}\nreport: {report}")
