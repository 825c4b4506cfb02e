"""Runs written by hand: folders as an experiment and an evaluation leave them."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

LABELS = ("good",) * 14 + ("crack",) * 9 + ("stain",) * 6
NAMES = tuple(f"{label}/{i:03}.png" for i, label in enumerate(LABELS))
SIDE = 24


@pytest.fixture
def write_run():
    """Write a run with the scores given, [folds n]; one without folders of folds is an evaluation.

    results.json holds the image AUROC by scikit-learn.
    """

    def write(folder, scores, *, names=NAMES, labels=LABELS, experiment=False, **fields):
        folder.mkdir(parents=True, exist_ok=True)
        defective = np.array(labels) != "good"
        folds = []
        for k, row in enumerate(scores):
            place = folder / f"fold{k}" if experiment else folder
            place.mkdir(exist_ok=True)
            with (place / "scores.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(
                    [("image", "label", "score"), *zip(names, labels, row.tolist(), strict=True)]
                )
            both = len(set(defective.tolist())) == 2
            auroc = float(roc_auc_score(defective, row)) if both else None
            folds.append({"fold": k, "image_auroc": auroc, "seconds": 0.5, "new_figure": 0.25 * k})
        values = [fold["image_auroc"] for fold in folds]
        mean = {"image_auroc": None if None in values else float(np.mean(values)), "aupro": None}
        results = {"schema": 1, "category": "bottle", "method": "padim", "folds": folds}
        results |= {"backbone": "lite0", "image_size": SIDE, "mean": mean, "notes": {}, **fields}
        (folder / "results.json").write_text(json.dumps(results), "utf-8")
        return folder

    return write


@pytest.fixture
def scores(rng):
    """Draws image scores of some folds, with ties; the larger `apart`, the better."""

    def draw(apart, folds=1, labels=LABELS):
        defective = np.array(labels) != "good"
        return np.round(rng.normal(size=(folds, len(labels))) + apart * defective, 1)

    return draw


@pytest.fixture
def photographs(tmp_path, rng):
    """The test images, in the layout of MVTec AD."""
    root = tmp_path / "data" / "bottle"
    images = rng.integers(0, 256, (len(NAMES), SIDE, SIDE, 3), dtype=np.uint8)
    for folder in ("train/good", *(f"test/{label}" for label in sorted(set(LABELS)))):
        (root / folder).mkdir(parents=True)
    Image.fromarray(images[0]).save(root / "train" / "good" / "000.png")
    for name, image in zip(NAMES, images, strict=True):
        Image.fromarray(image).save(root / "test" / name)
    return root, images


@pytest.fixture
def names():
    return NAMES


@pytest.fixture
def defective():
    return np.array(LABELS) != "good"
