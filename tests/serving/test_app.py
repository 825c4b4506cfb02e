"""Every endpoint, its limits, and what comes of requests that mean no good."""

import asyncio
import base64
import dataclasses
import hashlib
import io
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from serving.conftest import LIMITS, ask, encoded

from gaussft_jax.data import read_photograph
from gaussft_jax.detector import Detector
from gaussft_jax.inspection import Inspector
from gaussft_jax.serving import app, create_app
from gaussft_jax.serving.answers import Answer
from gaussft_jax.serving.page import rates


def _pixels(url):
    start = "data:image/png;base64,"
    assert url.startswith(start)
    with Image.open(io.BytesIO(base64.b64decode(url.removeprefix(start)))) as image:
        return np.asarray(image)


def test_the_answer_is_that_of_predict(client, inspector, tmp_path, stripes, rng):
    """Good and defective, oblong, in three formats: the numbers and the pixels."""
    noise = rng.integers(0, 256, (40, 70, 3), np.uint8)
    given = {
        "good.png": encoded(stripes[20]),
        "noise.jpg": encoded(noise, "jpeg"),
        "tall.tif": encoded(noise.transpose(1, 0, 2), "tiff"),
    }
    paths = [tmp_path / name for name in given]
    for path, content in zip(paths, given.values(), strict=True):
        path.write_bytes(content)
    response = ask(client, *given.values(), names=list(given))
    assert response.status_code == 200
    answer = response.json()
    Answer.model_validate(answer)
    assert answer["alpha"] == 0.2
    expected = list(inspector.inspect(paths, lambda inspected: inspected))
    for found, (number, path, verdict, _) in zip(answer["images"], expected, strict=True):
        assert found["name"] == list(given)[number]
        height, width = read_photograph(path).shape[:2]
        assert (found["width"], found["height"]) == (width, height)
        np.testing.assert_array_equal(_pixels(found["heatmap"]), verdict.heatmap)
        assert {key: found[key] for key in verdict.said} == verdict.said
    assert [found["decision"] for found in answer["images"]] == ["good", "defective", "defective"]
    assert "regions" in answer["images"][1] and "regions" not in answer["images"][0]


def test_one_that_cannot_be_read_costs_the_others_nothing(client, photograph):
    images = ask(client, photograph, photograph[:200], photograph).json()["images"]
    assert ["error" in image for image in images] == [False, True, False]
    assert images[1].keys() == {"name", "error"}
    assert images[0]["score"] == pytest.approx(images[2]["score"], rel=1e-5)


def test_a_hundred_at_once_lose_nothing(client, inspector, stripes, rng):
    """Each gets the answer to its own photograph."""
    images = rng.integers(0, 256, (100, 32, 32, 3), np.uint8)
    # None that calibrates: alone and among others their scores are rounded apart, and may tie.
    images[::3] = stripes[rng.integers(0, 20, 34)]
    expected = inspector.detector.predict(images)

    def send(image):
        return ask(client, encoded(image))

    with ThreadPoolExecutor(100) as pool:
        responses = list(pool.map(send, images))
    assert {response.status_code for response in responses} == {200}
    found = [response.json()["images"][0] for response in responses]
    np.testing.assert_allclose([x["score"] for x in found], expected.scores, rtol=1e-5)
    np.testing.assert_allclose([x["p_value"] for x in found], expected.p_values)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb(side):
    """A PNG of a few hundred bytes that claims to be large."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )  # fmt: skip


FORM = "multipart/form-data; boundary=x"


def _part(head, content=b"text"):
    return (
        b"--x\r\nContent-Disposition: form-data" + head + b"\r\n\r\n" + content + b"\r\n--x--\r\n"
    )


FILE = b'; name="images"; filename="a.png"'


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (413, _part(FILE, _bomb(1001)), FORM),  # by its header: there are no such pixels
        (422, _part(FILE, _bomb(60_000)), FORM),
        (422, _part(FILE, _bomb(900)), FORM),
        (422, _part(FILE, b""), FORM),
        (422, _part(FILE, b"GIF89a"), FORM),
        (422, _part(FILE, b"<svg xmlns='http://www.w3.org/2000/svg'/>"), FORM),
        (422, _part(FILE, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), FORM),
        (422, _part(b'; name="images"; filename="../\n../etc/passwd"'), FORM),
        (413, _part(FILE, bytes(2_000_001)), FORM),
        (422, _part(b'; name="images"'), FORM),
        (422, _part(b'; name="other"; filename="a.png"'), FORM),
        (400, _part(b""), FORM),
        (400, b"no boundary in it", FORM),
        (400, b"", "multipart/form-data"),
        (422, b"", FORM),
        (415, b"", None),
        (415, b"{}", "application/json"),
        (415, b"images=1", "application/x-www-form-urlencoded"),
        (415, b"x", "multipart/mixed; boundary=x"),
        (422, b"".join(_part(FILE)[:-6] + b"\r\n" for _ in range(2)) + b"--x--\r\n", FORM),
        (400, b"".join(_part(FILE)[:-6] + b"\r\n" for _ in range(6)) + b"--x--\r\n", FORM),
    ],
)
def test_a_hostile_request_gets_one_line(client, photograph, status, content, kind):
    response = client.post(
        "/judge", content=content, headers={"Content-Type": kind} if kind else {}
    )
    assert response.status_code == status, response.text
    assert response.json().keys() == {"error"}
    assert "\n" not in response.json()["error"]
    assert client.get("/health").json() == {"status": "ok"}
    assert ask(client, photograph).status_code == 200


def test_a_body_without_a_length_is_cut_off(client, photograph):
    sent = []

    def endless():
        yield _part(FILE)[:80]
        for _ in range(1000):
            sent.append(bytes(100_000))
            yield sent[-1]

    response = client.post("/judge", content=endless(), headers={"Content-Type": FORM})
    assert response.status_code == 413
    assert response.json() == {"error": "the body is larger than 2 MB"}


def test_pixels_are_counted_over_a_request(client):
    image = encoded(np.zeros((600, 600, 3), np.uint8))
    assert ask(client, image, image).status_code == 200
    response = ask(client, image, image, image)
    assert response.status_code == 413
    assert response.json() == {"error": "2.png: more than 1 megapixels in a request"}


def test_a_name_leads_nowhere(client, photograph):
    (image,) = ask(client, photograph, names=["../../etc/passwd\x00.png"]).json()["images"]
    assert "/" not in image["name"] and "\x00" not in image["name"]


def _called(application, receive):
    """What an application answers to a POST whose body is read by `receive`."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/judge", "raw_path": b"/judge", "query_string": b"",
        "root_path": "", "headers": [(b"content-type", FORM.encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    return application(scope, receive, send), sent


def test_a_body_that_does_not_come(inspector):
    async def never():
        await asyncio.Event().wait()

    async def gone():
        return {"type": "http.disconnect"}

    application = create_app(inspector, "", LIMITS._replace(seconds=0.01))
    for receive, status in ((never, 408), (gone, 400)):
        call, sent = _called(application, receive)
        asyncio.run(call)
        assert sent[0]["status"] == status


def test_bodies_wait_unread_while_others_are_at_work(inspector, monkeypatch):
    """Memory is bounded: of many requests, few have been read from."""
    monkeypatch.setattr(app, "AT_ONCE", 3)
    application = create_app(inspector, "", LIMITS)
    reading = []

    async def run():
        free = asyncio.Event()

        async def receive():
            reading.append(None)
            await free.wait()
            return {"type": "http.disconnect"}

        calls = [_called(application, receive)[0] for _ in range(20)]
        tasks = [asyncio.create_task(call) for call in calls]
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(reading) == 3
        free.set()
        await asyncio.gather(*tasks)
        assert len(reading) == 20

    asyncio.run(run())


def test_a_failure_of_the_device_costs_its_requests_alone(client, photograph, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "predict", lambda *_: 1 / 0)
        response = ask(client, photograph)
    assert response.status_code == 503
    assert response.json() == {"error": "the detector failed: ZeroDivisionError: division by zero"}
    assert capsys.readouterr().err == "error: ZeroDivisionError: division by zero\n"
    assert ask(client, photograph).status_code == 200


def test_it_is_not_well_without_its_thread(inspector):
    response = TestClient(create_app(inspector, "not started", LIMITS)).get("/health")
    assert (response.status_code, response.json().keys()) == (503, {"error"})


def test_nothing_else_is_served(client):
    paths = [
        "/docs", "/redoc", "/page.js", "/static/page.js", "/etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd", "/judge/../../etc/passwd", "//etc/passwd", "/detector.json",
    ]  # fmt: skip
    for path in paths:
        response = client.get(path)
        assert response.status_code in (404, 405), path
        assert response.json().keys() == {"error"}
    assert client.get("/judge").status_code == 405
    assert client.get("/openapi.json").json()["paths"].keys() == {"/judge", "/health"}


def test_the_schema_describes_form_and_answer(client, photograph):
    schema = client.get("/openapi.json").json()
    judge = schema["paths"]["/judge"]["post"]
    form = judge["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"images"}
    assert {"200", "400", "408", "413", "415", "422", "503"} <= judge["responses"].keys()
    described = schema["components"]["schemas"]
    answer = ask(client, photograph, b"").json()
    assert answer.keys() == described["Answer"]["properties"].keys()
    for image, name in zip(answer["images"], ("Judged", "Refused"), strict=True):
        assert set(described[name]["required"]) <= image.keys()
        assert image.keys() <= described[name]["properties"].keys()


def test_the_page_allows_itself_alone(client):
    response = client.get("/")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    for tag, source in (("script", "script-src"), ("style", "style-src")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy
    assert "//" not in re.sub("// .*", "", response.text)  # of the script, comments
    assert "<b>" not in response.text and "&lt;b&gt;stripes" in response.text
    assert "calibrated on 4 good images" in response.text


def test_the_rates_are_those_that_can_be_told(inspector):
    offered = rates(inspector)
    assert offered == [0.2, 0.3, 0.5]
    assert rates(Inspector(inspector.detector, 0.25)) == [0.2, 0.25, 0.3, 0.5]


def test_without_calibration(tiny_detector, photograph):
    bare = Inspector(dataclasses.replace(tiny_detector, calibration=None), None)
    with TestClient(create_app(bare, "bare", LIMITS)) as client:
        assert 'type="range"' not in client.get("/").text
        (image,) = ask(client, photograph).json()["images"]
    assert image.keys() == {"name", "width", "height", "score", "heatmap"}
