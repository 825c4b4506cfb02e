"""The page in a real browser; headless Chromium, skipped where there is none."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import numpy as np
import pytest
from processes import LIMIT

from gaussft_jax.report import write_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# A frame of the phone's width, since a headless window cannot be that narrow; the frame's text
# comes from an attribute, so that the script outside may measure inside.
FRAME = """<!DOCTYPE html><title>none</title>
<iframe style="border: 0; width: {width}px; height: 800px" srcdoc="{page}" onload="
  const page = this.contentDocument, root = page.documentElement;
  page.querySelectorAll('details').forEach(details => details.open = true);
  document.title = JSON.stringify({{
    client: root.clientWidth, scroll: root.scrollWidth,
    images: page.images.length,
    broken: [...page.images].filter(image => !image.naturalWidth).length,
    drawn: [...page.querySelectorAll('svg')].filter(svg => svg.clientHeight > 100).length}})
"></iframe>"""


SLIDE = """<!DOCTYPE html><title>none</title>
<iframe style="width: 800px; height: 800px" srcdoc="{page}" onload="
  const page = this.contentDocument, slider = page.getElementById('alpha');
  const text = id => page.getElementById(id).textContent;
  const seen = [['alarms', 'missed', 'rate'].map(text)];
  slider.value = Math.log10(0.25).toFixed(2);
  slider.dispatchEvent(new Event('input'));
  seen.push(['alarms', 'missed', 'rate'].map(text));
  seen.push([...page.querySelectorAll('[data-p]')].map(badge => badge.textContent));
  page.querySelector('.panels button').click();
  const zoomed = page.querySelector('#zoom img');
  seen.push([page.getElementById('zoom').open, zoomed.width > 500, zoomed.alt.length > 10]);
  page.getElementById('zoom').close();
  page.querySelector('.levels button').click();
  seen.push(page.querySelector('#zoom img').alt);
  document.title = JSON.stringify(seen);
"></iframe>"""


def look(html, folder):
    """What the script of a page put into its title, and what the browser logged."""
    path = folder / "frame.html"
    path.write_text(html, "utf-8")
    options = (
        "headless no-sandbox disable-gpu hide-scrollbars disable-background-networking dump-dom"
    )
    done = subprocess.run(
        [
            BROWSER,
            *(f"--{option}" for option in options.split()),
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            f"--user-data-dir={folder / 'profile'}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    title = re.search("<title>(.*?)</title>", done.stdout)[1]
    return json.loads(unescape(title)), done.stderr


@pytest.mark.skipif(BROWSER is None, reason="no Chromium; apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_without_errors(
    tmp_path, images, scored, make_results, histories, level_maps, width
):
    name = "ein_sehr_langer_dateiname_ohne_trennstelle" * 3
    names = tuple(f"{label}/{name}{i}.png" for i, label in enumerate(scored.labels))
    results = make_results(scored)
    results["folds"] *= 5
    results["category"] = name
    report = write_report(
        tmp_path / "report.html",
        results=results,
        images=images,
        scored=scored._replace(names=names),
        histories=histories,
        level_maps=level_maps,
    )
    seen, log = look(FRAME.format(width=width, page=escape(report.read_text("utf-8"))), tmp_path)
    assert seen == {
        "client": width,
        "scroll": width,
        "images": 90,
        "broken": 0,
        "drawn": 4,
    }
    assert "CONSOLE" not in log


@pytest.mark.skipif(BROWSER is None, reason="no Chromium; apt-get install chromium")
def test_the_slider_decides_and_a_click_enlarges(
    tmp_path, images, scored, make_results, level_maps
):
    p_values = np.linspace(0.02, 0.98, len(images))
    report = write_report(
        tmp_path / "report.html",
        results=make_results(scored),
        images=images,
        scored=scored,
        p_values=p_values,
        level_maps=level_maps,
    )
    page = escape(report.read_text("utf-8"))
    (before, after, badges, zoomed, level), log = look(SLIDE.format(page=page), tmp_path)

    def words(alpha):
        alarm, bad = p_values <= alpha, scored.defective
        counts = ((alarm & ~bad).sum(), (~bad).sum()), ((~alarm & bad).sum(), bad.sum())
        return [f"{part} of {whole} ({100 * part / whole:.1f} %)" for part, whole in counts]

    assert before == [*words(0.05), "5.0 %"]
    assert after == [*words(0.25), "25 %"]
    assert before[:2] != after[:2]
    assert set(badges) == {"alarm", "passes"}
    assert zoomed == [True, True, True]
    assert level == f"Distances of level 0 in {scored.names[scored.scores.argmax()]}"
    assert "CONSOLE" not in log
