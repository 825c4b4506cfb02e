"""The table of one fold: which images count for which figure, what is None, and the means."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from gaussft_jax.evaluation import (
    Scored,
    aupimo,
    aupro,
    evaluate,
    mean_and_sem,
    rank_metrics,
    summarise,
)

# Maps as small as these have fewer pixels than AUPIMO's smallest rate needs.
TOO_SMALL = {
    "aupimo": "a false positive rate of 1e-05 needs 100000 pixels of good images, there are 243"
}
LABELS = ("good", "hole", "crack", "good", "hole", "crack", "good")


def random_scored(rng, labels=LABELS, side=9):
    n = len(labels)
    masks = np.zeros((n, side, side), bool)
    for i, label in enumerate(labels):
        if label != "good":
            masks[i, 1:4, 1 : 3 + i % 3] = masks[i, 6:8, 5:8] = True
    maps = (rng.integers(0, 9, masks.shape) + 2 * masks).astype(np.float32)
    names = tuple(f"{label}/{i:03d}.png" for i, label in enumerate(labels))
    return Scored(names, labels, rng.standard_normal(n), maps, masks)


def test_overall_figures(rng):
    scored = random_scored(rng)
    metrics, notes = evaluate(scored)
    defective = np.array([label != "good" for label in LABELS])
    flat = scored.masks.ravel(), scored.maps.ravel()
    by_defect = metrics.pop("by_defect")
    assert metrics == pytest.approx(
        {
            "image_auroc": roc_auc_score(defective, scored.scores),
            "image_aupr": average_precision_score(defective, scored.scores),
            "image_f1_max": rank_metrics(scored.scores, defective).f1_max,
            "pixel_auroc": roc_auc_score(*flat),
            "pixel_aupr": average_precision_score(*flat),
            "pixel_f1_max": rank_metrics(scored.maps, scored.masks).f1_max,
            "aupro": aupro(scored.maps, scored.masks),
            "aupro_05": aupro(scored.maps, scored.masks, 0.05),
            "aupimo": None,
        }
    )
    assert list(by_defect) == ["crack", "hole"]
    assert notes == TOO_SMALL


def test_aupimo_takes_the_good_images_by_their_label(rng):
    scored = random_scored(rng, side=200)
    assert evaluate(scored)[0]["aupimo"] == aupimo(scored.maps, scored.masks, ~scored.defective)


def test_a_defect_is_set_against_the_good_images(rng):
    scored = random_scored(rng)
    keep = [i for i, label in enumerate(LABELS) if label in ("good", "hole")]
    maps, masks = scored.maps[keep], scored.masks[keep]
    defective = [LABELS[i] == "hole" for i in keep]
    assert evaluate(scored)[0]["by_defect"]["hole"] == pytest.approx(
        {
            "image_auroc": roc_auc_score(defective, scored.scores[keep]),
            "pixel_auroc": roc_auc_score(masks.ravel(), maps.ravel()),
            "aupro": aupro(maps, masks),
        }
    )


def test_without_masks_pixel_figures_are_none_with_one_note_each(rng):
    metrics, notes = evaluate(random_scored(rng)._replace(masks=None))
    pixel = {"pixel_auroc", "pixel_aupr", "pixel_f1_max", "aupro", "aupro_05", "aupimo"}
    assert {key for key, value in metrics.items() if value is None} == pixel
    assert notes == dict.fromkeys(pixel, "no masks")
    assert metrics["by_defect"]["hole"]["aupro"] is None
    assert metrics["by_defect"]["hole"]["image_auroc"] is not None


def test_without_defects_everything_is_none_with_a_note(rng):
    metrics, notes = evaluate(random_scored(rng, labels=("good",) * 3))
    assert metrics.pop("by_defect") == {}
    assert set(metrics.values()) == {None}
    assert notes.keys() == metrics.keys()
    assert "no positive" in notes["image_auroc"]
    assert "no defective pixel" in notes["aupro"]


def test_without_good_images_pixel_figures_remain(rng):
    metrics, notes = evaluate(random_scored(rng, labels=("hole", "hole")))
    assert metrics["image_auroc"] is None
    assert metrics["aupro"] is not None
    assert notes.keys() == {"image_auroc", "image_aupr", "image_f1_max", "aupimo"}
    assert notes["aupimo"] == "no good image"


def test_a_defect_whose_masks_are_empty_has_its_own_note(rng):
    scored = random_scored(rng)
    scored.masks[[label == "crack" for label in LABELS]] = False
    metrics, notes = evaluate(scored)
    assert metrics["aupro"] is not None
    assert metrics["by_defect"]["crack"]["aupro"] is None
    assert notes.keys() == {"aupimo", "by_defect.crack.pixel_auroc", "by_defect.crack.aupro"}


def test_metrics_are_plain_json(rng):
    metrics, notes = evaluate(random_scored(rng, side=200))
    assert notes == {}
    assert json.loads(json.dumps([metrics, notes])) == [metrics, notes]
    assert all(type(v) is float for key, v in metrics.items() if key != "by_defect")


@pytest.mark.parametrize("field", ["scores", "maps"])
def test_nan_names_the_first_image(rng, field):
    scored = random_scored(rng)
    for i in (4, 2):
        getattr(scored, field)[i] = np.nan
    with pytest.raises(ValueError, match=r"crack/002\.png"):
        evaluate(scored)


def test_summarise_is_the_mean_over_folds(rng):
    folds = [evaluate(random_scored(rng))[0] for _ in range(3)]
    mean = summarise(folds)
    assert mean["aupro"] == pytest.approx(sum(fold["aupro"] for fold in folds) / 3)
    hole = [fold["by_defect"]["hole"]["image_auroc"] for fold in folds]
    assert mean["by_defect"]["hole"]["image_auroc"] == pytest.approx(sum(hole) / 3)
    assert mean.keys() == folds[0].keys()


def test_summarise_hides_no_missing_figure():
    assert summarise([{"a": 1.0, "b": 0.5}, {"a": None, "b": 1.0}]) == {"a": None, "b": 0.75}
    for folds in ([{"a": 1.0}, {}], [{}, {"a": 1.0}]):
        with pytest.raises(ValueError, match="a is missing"):
            summarise(folds)


def test_mean_and_standard_error():
    mean, sem = mean_and_sem([0.9, 0.8, 0.7])
    assert mean == pytest.approx(0.8)
    assert sem == pytest.approx(0.1 / 3**0.5)
    assert mean_and_sem([0.9]) == (0.9, None)
