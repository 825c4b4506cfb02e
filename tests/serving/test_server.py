"""`gaussft serve` as a process, and what it says where it cannot."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import httpx2
import pytest
from processes import LIMIT

from gaussft_jax import cli

COMMAND = [sys.executable, "-c", "from gaussft_jax.cli import main; raise SystemExit(main())"]


def test_it_serves_what_predict_says_until_ctrl_c(bolt_model, parts, tmp_path):
    photograph = parts / "bolt" / "test" / "dent" / "1.png"
    # Where the tests run in the background SIGINT is ignored, and a process inherits that.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    server = subprocess.Popen(
        [*COMMAND, "serve", str(bolt_model), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, inherited)
    line = server.stdout.readline()
    try:
        (address,) = re.findall(
            r"^bolt at (http://127\.0\.0\.1:\d+); Ctrl-C ends it$", line.strip()
        )
        with urllib.request.urlopen(f"{address}/health") as response:
            assert json.load(response) == {"status": "ok"}
        files = {"images": ("1.png", photograph.read_bytes())}
        (image,) = httpx2.post(f"{address}/judge", files=files, timeout=LIMIT).json()["images"]
    finally:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=LIMIT)
    assert (server.returncode, out, err) == (0, "", "")
    assert cli.main(["predict", str(bolt_model), str(photograph), "--out", str(tmp_path)]) == 0
    line = json.loads((tmp_path / "predictions.jsonl").read_text("utf-8"))
    shared = image.keys() & line.keys() - {"heatmap"}
    assert shared >= {"score", "p_value", "decision"}
    assert {key: image[key] for key in shared} == {key: line[key] for key in shared}


def test_a_port_in_use(bolt_model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["serve", str(bolt_model), "--port", port]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "in use" in error


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("fastapi", "serve {model}"),
        ("uvicorn", "serve {model}"),
        ("python_multipart", "serve {model}"),
        ("watchfiles", "predict {model} {images} --watch --out {out}"),
    ],
)
def test_a_missing_package(bolt_model, parts, tmp_path, monkeypatch, capsys, package, command):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "gaussft_jax.inspection.arrivals", raising=False)
    images, out = parts / "bolt" / "test" / "good", tmp_path / "out"
    words = [word.format(model=bolt_model, images=images, out=out) for word in command.split()]
    assert cli.main(words) == 1
    reason = f'error: {package} is missing: pip install "gaussft_jax[serve]"\n'
    assert capsys.readouterr().err == reason
