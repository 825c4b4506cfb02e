"""Figures of pixels at the size of the photographs, against loops over every pixel."""

import json

import numpy as np
import pytest
from networks import FIELDS, SMALL
from PIL import Image
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from gaussft_jax import cli, configuration
from gaussft_jax.data import list_images, read_category, read_images
from gaussft_jax.detector import Detector
from gaussft_jax.experiment import train_and_evaluate

SIZE = 32  # pixels, of the images that are judged
WIDE, TALL = (50, 90), (80, 40)  # height and width of the photographs


pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def slabs(tmp_path_factory):
    """A category of oblong photographs, some wide, some tall; defects are dark spots."""
    root = tmp_path_factory.mktemp("oblong")
    rng = np.random.default_rng(0)

    def save(name, spots, shape):
        pixels = rng.integers(90, 160, (*shape, 3), np.uint8)
        mask = np.zeros(shape, np.uint8)
        for y, x in spots:
            mask[y : y + 9, x : x + 14] = 255
        pixels[mask > 0] //= 3
        path = root / "slab" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if spots:
            truth = root / "slab" / "ground_truth" / "spot" / f"{path.stem}_mask.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(truth)

    for i in range(15):
        save(f"train/good/{i:02d}", [], WIDE if i % 2 else TALL)
    save("test/good/0", [], WIDE)
    save("test/good/1", [], TALL)
    save("test/spot/0", [(4, 6), (30, 60)], WIDE)
    save("test/spot/1", [(50, 20)], TALL)
    return root


@pytest.fixture(scope="module")
def model(small_network, slabs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    good = list_images(slabs / "slab" / "train" / "good")
    Detector.fit(read_images(good, SIZE, progress=False), "gaussian", *SMALL).save(folder / "slab")
    return folder / "slab"


def enlarged(map, height, width):
    """Bilinear between the centres of pixels, one value at a time."""
    out = np.empty((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) * SIZE / height - 0.5, (j + 0.5) * SIZE / width - 0.5
            top, left = int(np.floor(y)), int(np.floor(x))
            value = 0
            for row, a in ((top, 1 - y + top), (top + 1, y - top)):
                for column, b in ((left, 1 - x + left), (left + 1, x - left)):
                    value += a * b * map[np.clip(row, 0, SIZE - 1), np.clip(column, 0, SIZE - 1)]
            out[i, j] = value
    return out


def naive(detector, tests):
    """Pixel AUROC, AUPR and PRO at the size of the photographs; all scores and the truth."""
    predicted = detector.predict(read_images([test.path for test in tests], SIZE, progress=False))
    maps, masks = [], []
    for test, map in zip(tests, predicted.maps, strict=True):
        with Image.open(test.path) as photograph:
            width, height = photograph.size
        maps.append(enlarged(map, height, width))
        mask = np.zeros((height, width), bool)
        if test.mask:
            with Image.open(test.mask) as file:
                mask = np.asarray(file) > 0
        masks.append(mask)
    scores = np.concatenate([map.ravel() for map in maps])
    truth = np.concatenate([mask.ravel() for mask in masks])
    regions = []
    for map, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [map[labels == k + 1] for k in range(count)]
    fpr, pro = [0.0], [0.0]
    for threshold in np.sort(scores[~truth])[::-5]:  # every fifth is fine enough
        fpr.append((scores[~truth] >= threshold).mean())
        pro.append(np.mean([(region >= threshold).mean() for region in regions]))
        if fpr[-1] > 0.3:
            break
    grid = np.append(fpr[:-1], 0.3)
    figures = {
        "pixel_auroc": roc_auc_score(truth, scores),
        "pixel_aupr": average_precision_score(truth, scores),
        "aupro": np.trapezoid(np.interp(grid, fpr, pro), grid) / 0.3,
    }
    return figures, scores, truth


def test_an_evaluation_counts_the_pixels_of_the_photographs(slabs, model, tmp_path):
    given = ["evaluate", str(model), str(slabs / "slab"), "--out"]
    assert cli.main([*given, str(tmp_path / "full"), "--at", "original"]) == 0
    assert cli.main([*given, str(tmp_path / "square")]) == 0
    full, square = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("full", "square")
    )
    (fold,), (of_square,) = full["folds"], square["folds"]
    figures, scores, truth = naive(Detector.load(model), read_category(slabs, "slab").test)
    for name, value in figures.items():
        assert fold[name] == pytest.approx(value, abs=1e-3), name
        assert fold[name] != of_square[name]
    (row,) = (row for row in fold["alpha"] if row["mask_f1"] is not None)
    expected = f1_score(truth, scores > row["pixel_threshold"])
    assert row["mask_f1"] == pytest.approx(expected, abs=5e-3)
    for name in ("pixel_auroc", "aupro"):
        low, high = fold["interval"][name]
        assert low <= fold[name] <= high
    # What is not about pixels stays.
    assert fold["image_auroc"] == of_square["image_auroc"]
    assert len({(tmp_path / x / "scores.csv").read_text() for x in ("full", "square")}) == 1
    assert "several sizes" in full["notes"]["aupimo"]
    assert full["config"]["evaluate_at"] == "original"
    assert "at the size of the photographs" in (tmp_path / "full" / "report.html").read_text()


def test_an_experiment_does_too(slabs, tmp_path):
    config = configuration.default_config()
    config.data.root, config.data.category = str(slabs), "slab"
    config.update({"image_size": SIZE, "scoring_batch_size": 4, "folds": (0,), **FIELDS})
    config.evaluate_at = "original"
    results = train_and_evaluate(config, tmp_path / "run")
    detector = Detector.load(tmp_path / "run" / "fold0" / "detector")
    figures, *_ = naive(detector, read_category(slabs, "slab").test)
    for name, value in figures.items():
        assert results["folds"][0][name] == pytest.approx(value, abs=1e-3), name
    config.evaluate_at = "image_size"
    with pytest.raises(ValueError, match=r"another configuration .*evaluate_at"):
        train_and_evaluate(config, tmp_path / "run")
