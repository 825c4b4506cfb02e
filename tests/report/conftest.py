"""A made-up run: smooth maps on noise photographs, and the results that go with them."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gaussft_jax.data import GOOD
from gaussft_jax.evaluation import Scored, evaluate, summarise
from gaussft_jax.report import shown

LABELS = (GOOD,) * 9 + ("crack",) * 7 + ("Öl <fleck> & 傷",) * 4


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (len(LABELS), 48, 48, 3), dtype=np.uint8)


@pytest.fixture
def scored(rng):
    n, s = len(LABELS), 48
    masks = np.zeros((n, s, s), bool)
    maps = gaussian_filter(rng.normal(size=(n, s, s)), (0, 5, 5)) * 9 + 5
    for i, label in enumerate(LABELS):
        if label != GOOD:
            y, x = rng.integers(2, 30, 2)
            masks[i, y : y + 12, x : x + 9] = True
            maps[i] += 3 * rng.random() * gaussian_filter(masks[i].astype(float), 3)
    names = tuple(f"{label}/{i:03}.png" for i, label in enumerate(LABELS))
    return Scored(names, LABELS, maps.max((1, 2)), maps.astype(np.float32), masks)


@pytest.fixture
def level_maps(rng, scored):
    """Of a network with three levels, in units of their own."""
    sides = {16: 1.0, 8: 100.0, 3: 0.01}
    return {
        i: [unit * rng.random((side, side), np.float32) for side, unit in sides.items()]
        for i in shown(scored).tolist()
    }


@pytest.fixture
def make_results():
    """Results of any scored images: results.json as a run writes it, two folds."""

    def results(scored: Scored) -> dict:
        metrics, notes = evaluate(scored)
        run = {"epochs": 7, "best_epoch": 4, "vicinity_auroc": 0.91234, "seconds": 345.678}
        folds = [{"fold": fold} | metrics | run for fold in (0, 3)]
        return {
            "schema": 1,
            "category": "metal <b>nut</b>",
            "method": "gaussian",
            "backbone": "efficientnet-lite0",
            "image_size": 48,
            "gaussian": "tied",
            "aggregation": "max",
            "tuned": True,
            "folds": folds,
            "mean": summarise([metrics, metrics]),
            "notes": notes,
            "config": {"seed": 0, "data": {"root": "</pre><script>alert(1)</script>"}},
            "versions": {"jax": "0.10"},
        }

    return results


@pytest.fixture
def histories(rng):
    def history(epochs: int) -> dict:
        auroc = rng.random(epochs + 1)
        return {
            "loss": [np.nan, *(rng.random(epochs) + 20)],
            "vicinity_auroc": list(auroc),
            "best_epoch": int(auroc.argmax()),
        }

    return [history(7), history(12)]
