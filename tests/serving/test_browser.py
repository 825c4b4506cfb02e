"""The page in a real browser; headless Chromium, skipped where there is none."""

import base64
import io
import socket
import threading

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from report.test_browser import BROWSER
from serving.conftest import LIMITS, encoded

from gaussft_jax.serving import create_app


@pytest.fixture
def address(inspector):
    """Of a server on a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        application = create_app(inspector, "stripes", LIMITS)
        config = uvicorn.Config(application, log_level="error", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


DROP = """(place, files) => {
  const data = new DataTransfer();
  for (const {name, text} of files)
    data.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
  for (const kind of ["dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium; apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 500, 360])
def test_a_photograph_is_dropped_and_judged(address, inspector, stripes, rng, width):
    """Its decision follows the slider without a request; nothing comes from elsewhere."""
    noise = rng.integers(0, 256, (40, 90, 3), np.uint8)
    good = _at_two_fifths(inspector.detector, stripes[20:])
    name = "ein_sehr_langer_dateiname_ohne_trennstelle" * 3
    given = {
        f"{name}.png": encoded(noise),
        "good.png": encoded(good),
        "text.png": b"no image",
        "large.png": bytes(2_000_001),
    }
    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        files = [
            {"name": name, "text": base64.b64encode(content).decode()}
            for name, content in given.items()
        ]
        page.locator("#drop").evaluate(DROP, files)
        cards = page.locator("#judged figure")
        page.get_by_text("2 of 4 judged, 1 defective").wait_for()
        cards.nth(2).get_by_text("not an image in PNG").wait_for()
        cards.nth(3).get_by_text("larger than 2 MB").wait_for()
        assert cards.locator(".name").all_text_contents() == list(given)
        assert cards.locator(".decision").all_text_contents() == ["defective", "good", "", ""]
        assert cards.nth(0).locator(".figures").text_content().endswith(" 90 × 40 px")
        shown = cards.nth(0).locator("img")
        assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [90, 40]
        with Image.open(io.BytesIO(base64.b64decode(_source(shown).partition(",")[2]))) as heatmap:
            assert heatmap.size == (90, 40)

        before, slider = len(asked), page.locator("#alpha")
        for place, rate in enumerate(("20 %", "30 %", "50 %")):
            slider.fill(str(place))
            assert page.locator("#rate").text_content() == rate
            assert slider.get_attribute("aria-valuetext") == rate
            decision = cards.nth(1).locator(".decision").text_content()
            assert decision == ("defective" if place == 2 else "good")
        assert len(asked) == before
        assert page.locator("#summary").text_content() == "2 of 4 judged, 2 defective"

        cards.nth(0).locator("button").click()
        assert _source(page.locator("#zoom img")) == _source(shown)
        page.locator("#zoom img").click()
        assert not page.locator("#zoom").is_visible()
        sizes = page.evaluate(
            "[document.documentElement.clientWidth, document.documentElement.scrollWidth]"
        )
        assert sizes == [width, width]
        browser.close()
    assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == []
    assert asked.count(f"{address}/judge") == 3
    # Of the text, which is refused, Chromium says so itself.
    assert [line for line in said if "status of 422" not in line] == []


def _at_two_fifths(detector, held_out):
    """A mixture of two images that lies well between the two most unusual ones of four."""
    scores = detector.calibration.scores[0]
    a, b = (held_out[i].astype(float) for i in scores.argsort()[2:])
    mixtures = np.stack([(1 - t) * a + t * b for t in np.linspace(0, 1, 40)]).astype(np.uint8)
    middle = np.sort(scores)[2:].mean()
    chosen = mixtures[abs(detector.predict(mixtures).scores - middle).argmin()]
    assert detector.predict(chosen[None]).p_values == 0.4
    return chosen


def _source(image):
    return image.get_attribute("src")
