"""An experiment from configuration to results: folds fitted, scored, measured and reported."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import Bool, UInt8
from ml_collections import ConfigDict

from gaussft_jax import configuration, objectives, parallel
from gaussft_jax.backbones import LevelStore, load_backbone
from gaussft_jax.data import (
    ImageFile,
    folds,
    is_cifar10,
    is_tfds,
    read_category,
    read_cifar10,
    read_images,
    read_masks,
    read_tfds_category,
)
from gaussft_jax.evaluation import (
    Scored,
    evaluate,
    read_level_maps,
    read_scored,
    summarise,
    write_level_maps,
    write_scored,
)
from gaussft_jax.files import read_json, write_json
from gaussft_jax.objectives import Objective
from gaussft_jax.report import shown, write_overlays, write_report
from gaussft_jax.scoring import Scorer
from gaussft_jax.training import Recipe, Tuner, read_metrics
from gaussft_jax.versions import versions
from gaussft_jax.vicinity import vicinity

__all__ = ["make_objective", "report_again", "train_and_evaluate"]

_METRICS = ("image_auroc", "pixel_auroc", "aupro")


class _Photographs(NamedTuple):
    """A category in memory, each process with its share of the images.

    Masks, bool [m s s], are None where there are none.
    """

    train: parallel.Share
    test: parallel.Share
    masks: Bool[np.ndarray, "m s s"] | None
    names: tuple[str, ...]
    labels: tuple[str, ...]


def train_and_evaluate(
    config: ConfigDict, workdir: str | Path, store: LevelStore | None = None
) -> dict[str, Any]:
    """Run the experiment that `config` describes and leave its results in `workdir`.

    Written are `config.json`, `results.json`, `report.html`, `overlays/` (the first fold's
    heatmaps) and for each fold `foldK/result.json` and `foldK/scores.csv`. Folds that are there
    already are not run again, so a killed run goes on where it stopped.

    Args:
        config: as `configuration.default_config`.
        workdir: a folder, created if missing.
        store: levels of the frozen network, where other runs want them too; None for those of this
            run alone.

    Returns:
        What results.json holds.

    Raises:
        ValueError: the configuration, an image or a mask is wrong, or `workdir` belongs to another
            configuration; the message says which.
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
    scorer = Scorer(backbone, make_objective(config), config.scoring_batch_size)
    if not config.tune:
        # Folds share most of their images.
        scorer = scorer._replace(store=store or LevelStore(workdir))
    tuner = _make_tuner(config, scorer) if config.tune else None
    variables = parallel.put(variables)

    records = []
    for fold in config.folds:
        folder = workdir / f"fold{fold}"
        # Only the fold that the report shows keeps its maps.
        needed = ["result.json", "maps.npy"] if fold == config.folds[0] else ["result.json"]
        if parallel.agree(all((folder / name).exists() for name in needed)):
            record = read_json(folder / "result.json")
        else:
            record = _run_fold(fold, folder, scorer, tuner, variables, photographs, config)
        records.append(record)

    results = _results(config, size, records)
    test = photographs.test.gather(photographs.test.own)
    if parallel.is_first():
        write_json(workdir / "results.json", results)
        _show(workdir, results, test, photographs, config.folds[0])
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
    if "data" not in results["config"]:
        raise ValueError(f"{workdir} holds no experiment; run the `gaussft evaluate` again")
    config = configuration.default_config()
    config.update(results["config"])
    photographs = _read(config, results["image_size"])
    _show(workdir, results, photographs.test.own, photographs, config.folds[0])


def make_objective(config: ConfigDict) -> Objective:
    """The objective that the configuration names."""
    return {
        "gaussian": lambda: objectives.gaussian(config.gaussian, config.aggregation),
        "deep_svdd": lambda: objectives.deep_svdd(config.svdd_norm, config.aggregation),
        "fcdd": lambda: objectives.fcdd(config.aggregation),
        "gaussian_ad": objectives.gaussian_ad,
        "padim": lambda: objectives.padim(config.aggregation),
        "spade": objectives.spade,
    }[config.objective]()


@contextmanager
def _claimed(workdir: Path, config: ConfigDict) -> Iterator[Path]:
    """The folder with the configuration in it, for this run alone while it lasts.

    Refused is a folder with the results of another configuration, or in which a run is at work.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    # One process of a run holds the lock for all; the system frees it, however the process ends.
    lock = FileLock(workdir / ".lock", timeout=0) if parallel.is_first() else nullcontext()
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
    if parallel.is_first():
        write_json(path, new)


def _read(config: ConfigDict, size: int) -> _Photographs:
    if is_cifar10(config.data.root):
        part = read_cifar10(config.data.root, config.data.category, size)
        train, test = parallel.share(part.train), parallel.share(part.test)
        return _Photographs(train, test, None, part.names, part.labels)
    read = read_tfds_category if is_tfds(config.data.root) else read_category
    category = read(config.data.root, config.data.category)
    if not category.test:
        raise FileNotFoundError(
            f"{config.data.root}/{config.data.category} has no test folder to evaluate on"
        )
    return _Photographs(
        _read_share(category.train, size, "read training images"),
        _read_share([image.path for image in category.test], size, "read test images"),
        read_masks(category.test, size),
        tuple(image.name for image in category.test),
        tuple(image.label for image in category.test),
    )


def _read_share(paths: Sequence[ImageFile], size: int, progress: str) -> parallel.Share:
    owners = parallel.owners(len(paths))
    own = [path for path, owner in zip(paths, owners, strict=True) if owner == jax.process_index()]
    return parallel.Share(read_images(own, size, progress=progress), owners)


def _make_tuner(config: ConfigDict, scorer: Scorer) -> Tuner:
    recipe = Recipe(**{field: config[field] for field in Recipe._fields})
    augment = vicinity(config.vicinity, config.severity)
    return Tuner(scorer.backbone, scorer.objective, augment, recipe, config.parallelism)


def _run_fold(fold, folder, scorer, tuner, variables, photographs, config) -> dict[str, Any]:
    if parallel.is_first():
        print(f"{config.data.category}: fold {fold}", flush=True)
    start = time.perf_counter()
    training, validation = folds(len(photographs.train), seed=0)[fold]
    training, validation = photographs.train[training], photographs.train[validation]
    references = scorer.fit(variables, training)
    record = {"fold": fold}
    if config.objective == "gaussian":
        record["shrinkage"] = [float(np.mean(level.shrinkage)) for level in references]
    if tuner is None:
        record |= {"epochs": 0, "best_epoch": 0, "vicinity_auroc": None}
        notes = {"vicinity_auroc": "the network is frozen: nothing was validated"}
    else:
        key = jax.random.fold_in(jax.random.key(config.seed), fold)
        tuned = tuner.tune(
            variables, references, training, validation, key, folder, config.epochs_per_call
        )
        variables, notes = tuned.variables, {}
        record |= {
            "epochs": tuned.epochs,
            "best_epoch": tuned.best_epoch,
            "vicinity_auroc": float(tuned.history.vicinity_auroc[tuned.best_epoch]),
        }
    weights = None
    if config.level_weights == "standardised":
        weights = scorer.weigh(variables, references, validation)
        record["level_weights"] = np.asarray(weights).tolist()
    scores, maps = scorer.score(variables, references, photographs.test, weights)
    scored = Scored(photographs.names, photographs.labels, scores, maps, photographs.masks)
    metrics, undefined = evaluate(scored)
    record |= {**metrics, "seconds": time.perf_counter() - start, "notes": notes | undefined}
    reported = fold == config.folds[0]
    if reported:
        chosen = shown(scored)
        level_maps = scorer.level_maps(variables, references, photographs.test[chosen])
    if parallel.is_first():
        write_scored(folder, scored, maps=reported)
        if reported:
            write_level_maps(folder, chosen, level_maps)
        write_json(folder / "result.json", record)
    return record


def _results(config: ConfigDict, size: int, records: list[dict[str, Any]]) -> dict[str, Any]:
    metrics = [{key: record[key] for key in _METRICS} for record in records]
    notes = {key: note for record in records for key, note in record["notes"].items()}
    return {
        "schema": 1,
        "category": config.data.category,
        "method": config.objective,
        "backbone": config.backbone,
        "image_size": size,
        "gaussian": config.gaussian,
        "aggregation": config.aggregation,
        "tuned": config.tune,
        "folds": [{k: v for k, v in record.items() if k != "notes"} for record in records],
        "mean": summarise(metrics),
        "notes": notes,
        "config": {**config.to_dict(), "folds": list(config.folds)},
        "versions": versions(),
    }


def _show(
    workdir: Path,
    results: dict[str, Any],
    images: UInt8[np.ndarray, "n s s 3"],
    photographs: _Photographs,
    fold: int,
) -> None:
    """The report and the overlays, from what the fold left on disk."""
    folder = workdir / f"fold{fold}"
    scored = read_scored(folder, photographs.masks)
    write_overlays(workdir / "overlays", images, scored)
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
