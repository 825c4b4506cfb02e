"""The page: what it holds, which images, which pictures, and how a browser takes it."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gaussft_jax import cli
from gaussft_jax.evaluation import Scored
from gaussft_jax.report import heatmap_overlay, write_overlays


@pytest.fixture
def runs(tmp_path, write_run, scores, names, photographs, rng):
    """An experiment with overlays and maps, and an evaluation with neither."""
    root, images = photographs
    first, second = scores(1, folds=2), scores(1)
    config = {"data": {"root": str(root.parent), "category": "bottle"}}
    a = write_run(tmp_path / "a <b>", first, experiment=True, config=config)
    b = write_run(tmp_path / "b", second, config={"folder": str(root)})
    maps = rng.random(images.shape[:3], np.float32)
    labels = tuple(name.split("/")[0] for name in names)
    write_overlays(a / "overlays", images, Scored(names, labels, first[0], maps, None))
    np.save(a / "fold0" / "maps.npy", maps)
    return a, b, first, second, maps


def page_of(tmp_path, *folders):
    out = tmp_path / "page.html"
    assert cli.main(["compare", *map(str, folders), "--out", str(out)]) == 0
    return out.read_text("utf-8")


def pictures(html):
    """Each picture's pixels, by its alternative text."""
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', html)
    return {
        unescape(alt): np.asarray(Image.open(BytesIO(b64decode(data))), float)
        for data, alt in found
    }


def disagreement(first, second, defective):
    """How far apart the shares of good images that score lower are, pair by pair."""
    shares = []
    for scores in (first, second):
        good = scores[:, ~defective]
        below = (good[:, None] < scores[:, :, None]) + 0.5 * (good[:, None] == scores[:, :, None])
        shares.append(below.mean(axis=(0, 2)))
    return np.abs(shares[1] - shares[0])


def test_page_holds_all_it_shows(tmp_path, runs):
    html = page_of(tmp_path, *runs[:2])
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert not re.search(r"https?://|@import|url\((?!#)|<link|<b>", html)
    assert "a &lt;b&gt;" in html


def test_shows_where_they_disagree_most(tmp_path, runs, names, defective):
    a, b, first, second, _ = runs
    html = page_of(tmp_path, a, b)
    apart = disagreement(first, second, defective)
    shown = [alt.removeprefix("Photograph ") for alt in pictures(html) if "Photograph" in alt]
    expected = np.argsort(-apart, kind="stable")[:6]
    assert sorted(apart[names.index(name)] for name in shown) == pytest.approx(
        sorted(apart[expected])
    )
    assert len(shown) == 6


@pytest.mark.parametrize("left", ["overlays", "maps"])
def test_pictures_are_read_and_missing_ones_are_said(tmp_path, runs, names, photographs, left):
    a, b, *_, maps = runs
    if left == "maps":
        (a / "overlays").rename(tmp_path / "elsewhere")
    else:
        photographs[0].rename(tmp_path / "gone")
    html = page_of(tmp_path, a, b)
    found = pictures(html)
    shown = [alt.removeprefix("Photograph ") for alt in found if "Photograph" in alt]
    assert len(shown) == 6 and len(found) == 12
    assert html.count("no heatmap was kept by b") == 6
    for name in shown:
        i = names.index(name)
        image = photographs[1][i]
        heat = heatmap_overlay(image, maps[i], float(maps.min()), float(maps.max()))
        # As JPEG writes noise.
        assert np.abs(found[f"Photograph {name}"] - image).mean() < 8
        assert np.abs(found[f"Heatmap of {name} by a <b>"] - heat).mean() < 8


def test_nothing_but_scores_is_needed(tmp_path, write_run, scores):
    first = scores(1)
    for name, given in (("a", first), ("b", scores(1)), ("c", 3 * first + 1)):
        write_run(tmp_path / name, given)
    html = page_of(tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert not pictures(html)
    assert html.count("photograph not found") == 6
    assert html.count("no heatmap was kept by a") == html.count("no heatmap was kept by b") == 6
    assert "Both rank every image the same" in html


def test_heatmaps_of_an_evaluation_are_made_again_by_its_detector(
    tmp_path, bolt_model, parts, write_run, rng
):
    first = tmp_path / "first"
    assert cli.main(["evaluate", str(bolt_model), str(parts / "bolt"), "--out", str(first)]) == 0
    table = (first / "scores.csv").read_text("utf-8")
    rows = [line.split(",") for line in table.splitlines()[1:]]
    names, labels = ([row[column] for row in rows] for column in (0, 1))
    other = rng.normal(size=(1, len(rows)))
    write_run(tmp_path / "other", other, names=names, labels=labels, category="bolt")

    found = pictures(page_of(tmp_path, first, tmp_path / "other"))
    heatmaps = {alt for alt in found if alt.startswith("Heatmap") and alt.endswith("by first")}
    photographs = {alt for alt in found if alt.startswith("Photograph")}
    assert len(heatmaps) == len(photographs) > 1
    for alt in heatmaps:
        name = alt.removeprefix("Heatmap of ").removesuffix(" by first")
        assert np.abs(found[alt] - found[f"Photograph {name}"]).mean() > 1

    # The detector was fitted anew since the evaluation: it gives other scores.
    moved = [[*row[:2], str(float(row[2]) + 1), *row[3:]] for row in rows]
    lines = [table.splitlines()[0], *map(",".join, moved)]
    (first / "scores.csv").write_text("\n".join(lines) + "\n", "utf-8")
    html = page_of(tmp_path, first, tmp_path / "other")
    assert html.count("no heatmap was kept by first") == len(photographs)
