"""The page in a real browser; headless Chromium, skipped where there is none."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

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


@pytest.mark.skipif(BROWSER is None, reason="no Chromium; apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_without_errors(tmp_path, images, scored, make_results, histories, width):
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
    )
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width, page=escape(report.read_text("utf-8"))), "utf-8")
    options = (
        "headless no-sandbox disable-gpu hide-scrollbars disable-background-networking dump-dom"
    )
    done = subprocess.run(
        [
            BROWSER,
            *(f"--{option}" for option in options.split()),
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            f"--user-data-dir={tmp_path / 'profile'}",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seen = json.loads(unescape(re.search("<title>(.*?)</title>", done.stdout)[1]))
    assert seen == {"client": width, "scroll": width, "images": 36, "broken": 0, "drawn": 4}
    assert "CONSOLE" not in done.stderr
