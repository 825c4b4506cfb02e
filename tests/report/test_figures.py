import re
import sys
from subprocess import run
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gaussft_jax.evaluation import aupro, pro_curve, roc_curve
from gaussft_jax.report import pro_figure, roc_figure, score_histogram, training_curves

SVG = "{http://www.w3.org/2000/svg}"


def paths(svg: str, style: str) -> list[np.ndarray]:
    """Vertices [n, 2] of the paths whose style holds the text; y points upwards."""
    found = [
        p for p in ElementTree.fromstring(svg).iter(f"{SVG}path") if style in p.get("style", "")
    ]
    numbers = [re.findall(r"-?\d+\.?\d*", p.get("d")) for p in found]
    return [np.array(n, float).reshape(-1, 2) * (1, -1) for n in numbers]


def dots(svg: str) -> list[ElementTree.Element]:
    return [u for u in ElementTree.fromstring(svg).iter(f"{SVG}use") if "defect" in u.get("style")]


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def area_under(curve: np.ndarray) -> float:
    """Area below a curve from corner to corner, as a fraction of its box."""
    x, y = ((curve - curve.min(0)) / np.ptp(curve, axis=0)).T
    return np.trapezoid(y, x)


@pytest.fixture
def svgs(scored, histories):
    fpr, tpr, _ = roc_curve(scored.scores, scored.defective)
    overlap = pro_curve(scored.maps, scored.masks)[:2]
    return [
        score_histogram(scored.scores, scored.defective),
        roc_figure(fpr, tpr),
        pro_figure(*overlap),
        training_curves(histories),
    ]


def test_figures_are_xml_with_alt_text_and_theme_colours(svgs):
    for svg in svgs:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert len(root.get("aria-label")) > 20
        assert root.get("width") is None and root.get("viewBox")
        assert "currentColor" in svg
        assert not re.search(r"#0{6}|#f{6}|#010101", svg)  # nothing that only one theme can show
        assert not re.search(r'(?<!xmlns=")(?<!xmlns:xlink=")https?:', svg)


def test_no_two_figures_share_an_id(svgs):
    ids = re.findall(r'\bid="([^"]+)"', "".join(svgs))
    assert len(ids) == len(set(ids)) > 0


def test_figures_do_not_change_between_runs(svgs, histories):
    assert training_curves(histories) == svgs[-1]


def test_histogram_areas_are_as_the_numbers_of_images(rng):
    scores, defective = rng.normal(size=90), np.arange(90) < 25
    svg = score_histogram(scores, defective)
    good, bad = (
        max(area(p) for p in paths(svg, f"fill: var(--{kind}")) for kind in ("good", "defect")
    )
    assert bad / good == pytest.approx(25 / 65, rel=1e-3)
    assert "65 good" in svg and "25 defective" in svg


def test_roc_figure_draws_the_curve(rng):
    scores, defective = rng.normal(size=60), rng.random(60) < 0.4
    scores[defective] += 1
    expected = roc_auc_score(defective, scores)
    fpr, tpr, _ = roc_curve(scores, defective)
    svg = roc_figure(fpr, tpr)
    (curve,) = paths(svg, "stroke: var(--defect")
    assert area_under(curve) == pytest.approx(expected, abs=2e-3)
    assert f"area {100 * expected:.2f} %" in svg


def test_pro_figure_draws_the_curve(scored):
    fpr, pro, _ = pro_curve(scored.maps, scored.masks)
    svg = pro_figure(fpr, pro)
    box = np.concatenate(paths(svg, "stroke-linecap: square"))  # the two axes
    (curve,) = paths(svg, "stroke: var(--good")
    x, y = ((curve - box.min(0)) / np.ptp(box, axis=0)).T
    expected = aupro(scored.maps, scored.masks)
    assert np.trapezoid(y, x) == pytest.approx(expected, abs=0.01)


def test_dots_stand_at_the_best_epoch(histories):
    svg = training_curves(histories)
    lines = paths(svg, "stroke: var(--good")
    assert len(lines) == 4
    for dot, history, line in zip(dots(svg), histories, lines[2:], strict=True):
        epochs = len(history["loss"]) - 1
        share = (float(dot.get("x")) - line[0, 0]) / np.ptp(line[:, 0])
        assert share * epochs == pytest.approx(history["best_epoch"], abs=0.01)
        assert -float(dot.get("y")) == pytest.approx(line[:, 1].max(), abs=0.01)


def test_one_class_and_one_image_have_a_histogram(rng):
    for defective in (False, True):
        svg = score_histogram(np.array([rng.normal()]), np.array([defective]))
        drawn = {kind for kind in ("good", "defect") if paths(svg, f"fill: var(--{kind}")}
        assert drawn == {"defect" if defective else "good"}


def test_import_does_not_load_matplotlib():
    code = "import sys, gaussft_jax.report; sys.exit('matplotlib' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_drawing_does_not_load_pyplot():
    code = (
        "import sys, numpy as np; from gaussft_jax.report import score_histogram as draw;"
        "draw(np.ones(3), np.zeros(3, bool)); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
