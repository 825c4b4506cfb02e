"""What experiments and evaluations left in their folders: results.json and the scores."""

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from gaussft_jax.data import GOOD
from gaussft_jax.files import read_json

__all__ = ["Run", "Tested", "read_runs"]

_RESULTS = "results.json"
_NEEDED = {"category": str, "folds": list, "mean": dict}  # of results.json


class Tested(NamedTuple):
    """Scores of test images.

    Attributes:
        names: `defect/file` of each image, no two the same, [n].
        labels: `good` or the name of the defect, [n].
        scores: image scores of each fold, float64 [f n], distance.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Float[np.ndarray, "f n"]

    @property
    def images(self) -> set[tuple[str, str]]:
        """Name and label of each image."""
        return set(zip(self.names, self.labels, strict=True))

    @property
    def defective(self) -> Bool[np.ndarray, " n"]:
        """Whether an image has any defect, [n]."""
        return np.array([label != GOOD for label in self.labels], bool)

    def only(self, defect: str) -> "Tested":
        """The good images, and those of one defect."""
        kept = [i for i, label in enumerate(self.labels) if label in (GOOD, defect)]
        names, labels = (tuple(given[i] for i in kept) for given in self[:2])
        return Tested(names, labels, self.scores[:, kept])


class Run(NamedTuple):
    """An experiment, or an evaluation, of one category.

    Attributes:
        name: what it is called beside the others: its folder, with * for the category.
        folder: which holds results.json.
        results: what results.json says.
        tested: the test images and their scores; None where they cannot be read.
        note: why they cannot; else empty.
    """

    name: str
    folder: Path
    results: dict[str, Any]
    tested: Tested | None
    note: str = ""

    @property
    def category(self) -> str:
        """Its name."""
        return self.results["category"]

    @property
    def places(self) -> list[Path]:
        """The folder of each fold, with its scores.csv; an evaluation has but its own."""
        own = [self.folder / f"fold{fold.get('fold')}" for fold in self.results["folds"]]
        return own if own[0].is_dir() else [self.folder]


def read_runs(folders: Iterable[str | Path]) -> list[Run]:
    """The runs in folders, in their order.

    Args:
        folders: of experiments and evaluations, of detectors with an `evaluation`, or of such
            folders.

    Raises:
        FileNotFoundError: a folder is missing or holds no results.json; the message says what it
            holds.
        ValueError: a results.json is none of ours, there are less than two, or one comes twice.
    """
    found = [place for folder in folders for place in _places(Path(folder))]
    if len(found) < 2:
        raise ValueError(f"{found[0]} is all there is to compare: name a second folder")
    real = [place.resolve() for place in found]
    for i, place in enumerate(real):
        if place in real[:i]:
            raise ValueError(f"{found[i]} comes twice: name each folder once")
    every = [_results(place / _RESULTS) for place in found]
    names = _names(found, [results["category"] for results in every])
    runs = [Run(*given, None) for given in zip(names, found, every, strict=True)]
    return [_with_scores(run) for run in runs]


def _places(folder: Path) -> list[Path]:
    """The folders with a results.json that are meant by a folder."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: name one with a {_RESULTS}")
    if place := _place(folder):
        return [place]
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    places = [place for path in inside if (place := _place(path))]
    if not places:
        held = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        listed = ", ".join(held[:6]) + (", ..." if len(held) > 6 else "")
        raise FileNotFoundError(
            f"{folder} holds {listed or 'nothing'} and no {_RESULTS}: name a finished experiment, "
            "or what `gaussft evaluate` or `gaussft fit --test` wrote, or a folder of such folders"
        )
    return places


def _place(folder: Path) -> Path | None:
    """The folder, or the evaluation in it; None without results.json in either."""
    places = (folder, folder / "evaluation")
    return next((place for place in places if (place / _RESULTS).is_file()), None)


def _results(path: Path) -> dict[str, Any]:
    try:
        results = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is broken ({error}): make it again") from error
    for field, kind in _NEEDED.items():
        if not isinstance(results, dict) or not isinstance(results.get(field), kind):
            raise ValueError(f"{path} has no {field!r}: it is not what an experiment leaves")
    if not results["folds"] or not all(isinstance(fold, dict) for fold in results["folds"]):
        raise ValueError(f"{path} has no folds: it is not what an experiment leaves")
    return results


def _names(folders: list[Path], categories: list[str]) -> list[str]:
    """The folders below their common one; where there are several categories, * for each.

    So `runs/padim/bottle` and `runs/padim/pill` are one set-up, `padim/*`.
    """
    whole = [folder.resolve() for folder in folders]
    # An evaluation is called like its detector.
    whole = [
        path.parent if path.name == "evaluation" and _place(path.parent) == path else path
        for path in whole
    ]
    common = os.path.commonpath([path.parent for path in whole])
    names = [path.relative_to(common).as_posix() for path in whole]
    if len(set(categories)) == 1:
        return names
    return [
        re.sub(rf"(?<![^\W_]){re.escape(category)}(?![^\W_])", "*", name)
        for name, category in zip(names, categories, strict=True)
    ]


def _with_scores(run: Run) -> Run:
    try:
        return run._replace(tested=_tested([_rows(place / "scores.csv") for place in run.places]))
    except FileNotFoundError as error:
        return run._replace(note=f"{error.filename} is missing")
    except (OSError, ValueError) as error:
        return run._replace(note=str(error))


def _rows(path: Path) -> dict[tuple[str, str], float]:
    """The score of each image by name and label."""
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = [
                (row["image"], row["label"], float(row["score"])) for row in csv.DictReader(file)
            ]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(f"{path} is no table of image, label and score") from error
    if not rows:
        raise ValueError(f"{path} has no rows")
    if len({name for name, *_ in rows}) < len(rows):
        raise ValueError(f"{path} has two images of one name")
    if not np.isfinite([score for *_, score in rows]).all():
        raise ValueError(f"{path} has a score that is not finite")
    return {(name, label): score for name, label, score in rows}


def _tested(folds: list[dict[tuple[str, str], float]]) -> Tested:
    images = list(folds[0])
    if any(fold.keys() != folds[0].keys() for fold in folds):
        raise ValueError("its folds were tested on different images")
    names, labels = zip(*images, strict=True)
    return Tested(names, labels, np.array([[fold[image] for image in images] for fold in folds]))
