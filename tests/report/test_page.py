import re
from base64 import b64decode, b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gaussft_jax.report.page
from gaussft_jax.report import write_report

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Elements with attributes and text; balance is checked while parsing."""

    def __init__(self, html: str):
        super().__init__()
        self.html, self.open, self.elements, self.texts = html, [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture
def write(tmp_path, images, scored, make_results):
    def page(images=images, scored=scored, results=None, **options) -> Page:
        results = results or make_results(scored)
        path = tmp_path / "report.html"
        out = write_report(path, results=results, images=images, scored=scored, **options)
        assert out == path
        return Page(path.read_text("utf-8"))

    return page


def chosen(scored, *indices):
    return scored._replace(
        names=tuple(scored.names[i] for i in indices),
        labels=tuple(scored.labels[i] for i in indices),
        scores=scored.scores[[*indices]],
        maps=scored.maps[[*indices]],
        masks=scored.masks[[*indices]],
    )


def test_page_holds_all_it_shows(write, histories):
    page = write(histories=histories)
    assert not page.all("link")
    # The policy lets this one script run and no other.
    (script,) = re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)
    assert page.all("script") == [{}]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.html
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("data:image/", "#")), (tag, value)
    outside = re.sub(r'xmlns(:xlink)?="[^"]*"', "", page.html)
    assert not re.search(r"https?://|@import|url\((?!#)", outside)


def test_every_image_has_alt_text_and_decodes(write):
    images = write().all("img")
    assert len(images) == 2 * 3 * 6
    for image in images:
        assert len(image["alt"]) > 10
        Image.open(BytesIO(b64decode(image["src"].split(",")[1]))).verify()


@pytest.mark.parametrize("tuned", [False, True])
def test_figures_are_counted(write, histories, tuned):
    page = write(histories=histories if tuned else ())
    assert len(page.all("svg")) == 3 + tuned
    assert len(page.all("figure")) == len(page.all("figcaption")) == 3 + tuned + 3 * 6


def test_numbers_are_those_of_the_results(write, make_results, scored, rng):
    results = make_results(scored)
    keys = ("image_auroc", "pixel_auroc", "aupro", "vicinity_auroc")
    for part in [*results["folds"], results["mean"]]:
        part |= dict(zip(keys, rng.random(4), strict=True))
    del results["mean"]["image_aupr"]  # an experiment's holds no more than those of the cards
    for fold, aupr in zip(results["folds"], (0.125, 0.75), strict=True):
        fold["image_aupr"] = aupr
    page = write(results=results)
    assert "Image AUPR 12.50 75.00 43.75" in page.text
    counts = Counter(re.findall(r"[\d.]+", page.text))
    for part in [*results["folds"], results["mean"]]:
        for key in keys:
            assert counts[f"{100 * part[key]:.2f}"] >= 1
    for key in ("image_auroc", "pixel_auroc", "aupro"):
        assert counts[f"{100 * results['mean'][key]:.2f}"] >= 2  # card and table
    assert counts["345.7"] == 2  # seconds of two folds


def test_defects_have_a_row_each(write, scored, make_results):
    results = make_results(scored)
    page = write()
    for defect, number in (("crack", 7), ("Öl <fleck> & 傷", 4)):
        values = results["folds"][0]["by_defect"][defect]
        row = " ".join(
            f"{100 * values[key]:.2f}" for key in ("image_auroc", "pixel_auroc", "aupro")
        )
        assert f"{defect} {number} {row}" in page.text


def test_galleries_show_the_extremes(write, scored):
    sections = write().html.split("<section>")
    order = np.argsort(-scored.scores)
    expected = {
        "Most anomalous": order[:6],
        "Doubtful: good": [i for i in order if not scored.defective[i]][:6],
        "Doubtful: defective": [i for i in order[::-1] if scored.defective[i]][:6],
    }
    for title, indices in expected.items():
        page = Page(next(s for s in sections if f"<h2>{title}" in s).split("</section>")[0])
        names = [image["alt"].removeprefix("Photograph ") for image in page.all("img")[::2]]
        assert [n.removesuffix(", defect outlined") for n in names] == [
            scored.names[i] for i in indices
        ]
        for i in indices:
            assert f"{scored.scores[i]:#.4g}" in page.text


def test_levels_are_shown_each_in_its_own_range(write, scored, level_maps):
    page = write(level_maps=level_maps)
    assert "single levels each have their own" in page.text
    found = {}
    for image in page.all("img"):
        level = re.fullmatch(r"Distances of level (\d) in (.*)", image["alt"])
        if level:
            picture = Image.open(BytesIO(b64decode(image["src"].split(",")[1]))).convert("RGB")
            found[scored.names.index(level[2]), int(level[1])] = np.asarray(picture)
    assert found.keys() == {(i, level) for i in level_maps for level in range(3)}
    for level in range(3):
        values = np.concatenate([maps[level].ravel() for maps in level_maps.values()])
        colours = np.concatenate([found[i, level].reshape(-1, 3) for i in level_maps])
        assert tuple(colours[values.argmin()]) == (0, 0, 3)  # the ends of inferno
        assert tuple(colours[values.argmax()]) == (252, 254, 164)


def test_one_level_is_the_map_itself(write, level_maps):
    page = write(level_maps={i: maps[:1] for i, maps in level_maps.items()})
    assert len(page.all("img")) == 36 and "single levels" not in page.text


def test_ranks_count_the_other_kind(write, scored):
    good, bad = scored.scores[~scored.defective], scored.scores[scored.defective]
    for figure in write().html.split('<div class="panels">')[1:]:
        name = Page(re.search("<img[^>]*>", figure)[0]).all("img")[0]["alt"]
        i = next(i for i, known in enumerate(scored.names) if f" {known}" in name)
        rank = re.search('"rank">(.*?)<', figure)[1]
        if scored.defective[i]:
            assert rank == f"{(good > scored.scores[i]).sum()} of 9 good images score higher"
        else:
            assert rank == f"{(bad < scored.scores[i]).sum()} of 11 defective images score lower"


def test_alt_text_says_where_the_map_is_hottest(write, scored):
    for row, column, place in ((1, 1, "upper left"), (24, 24, "centre"), (47, 24, "lower")):
        scored.maps[:, row, column] = 1e3
        alts = [image["alt"] for image in write().all("img")[1::2]]
        assert all(alt.endswith(f"hottest {place}") for alt in alts)
        scored.maps[:, row, column] = 0


def test_nulls_show_their_reason(write, scored):
    page = write(scored=scored._replace(masks=None))
    assert "Pixel AUROC - no masks" in page.text
    assert "PRO - no masks" in page.text
    assert len(page.all("svg")) == 2
    assert "outlined" not in page.text


@pytest.mark.parametrize(
    ("indices", "groups"), [((0,), 2), ((10,), 2), ((1, 2, 3), 2), ((0, 9), 3)]
)
def test_few_images_of_one_or_two_kinds(write, images, scored, indices, groups):
    page = write(images=images[[*indices]], scored=chosen(scored, *indices))
    assert len(page.all("img")) == 2 * groups * (1 if groups == 3 else len(indices)) + 2 * (
        groups == 3
    )
    assert ("ROC curve" in page.text) == (groups == 3)


def test_only_the_contract_is_needed(write, scored, make_results):
    results = make_results(scored)
    for key in ("notes", "config", "versions", "gaussian"):
        del results[key]
    for fold in results["folds"]:
        for key in ("image_aupr", "image_f1_max", "pixel_aupr", "pixel_f1_max", "by_defect"):
            del fold[key]
    results["mean"] = {"image_auroc": 0.5, "pixel_auroc": None, "aupro": None}
    text = write(results=results).text
    assert "Image F1" not in text and "Defects" not in text
    assert "PRO - not computed" in text


def test_hostile_names_are_text(write, scored, make_results):
    evil = '"><img src=x onerror=alert(1)>'
    labels = tuple("good" if label == "good" else evil for label in scored.labels)
    names = tuple(f"{label}/{i}'{evil}{chr(0xDCE4)}" for i, label in enumerate(labels))
    page = write(scored=scored._replace(labels=labels, names=names))
    assert len(page.all("img")) == 36 and page.all("script") == [{}] and not page.all("b")
    assert "metal <b>nut</b>" in page.text
    assert "</pre><script>alert(1)</script>" in page.text
    assert evil in page.text


def test_names_the_fold_of_the_images(write):
    assert "those of fold 3" in write(fold=3).text


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_failing_write_leaves_the_earlier_report(write, tmp_path, monkeypatch, step):
    before = write().html

    def full(path, *_, **__):
        path.write_bytes(b"half a page")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, full)
    with pytest.raises(OSError, match="No space"):
        write(fold=3)
    monkeypatch.undo()
    assert (tmp_path / "report.html").read_text("utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_have_enough_contrast(theme):
    css = Path(gaussft_jax.report.page.__file__).with_name("page.css").read_text()
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme == "dark"]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))

    def luminance(colour):
        c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (
            0.2126,
            0.7152,
            0.0722,
        )

    for text in ("ink", "muted", "good", "defect"):
        for ground in ("paper", "surface"):
            low, high = sorted(luminance(colours[name]) for name in (text, ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)  # WCAG 2.2 AA
