"""Downloads from a local server that misbehaves in every way a real one does."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from gaussft_jax.weights import Source, download, locate

DATA = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(DATA).hexdigest()
FILE = f"efficientnet-b0-{DIGEST[:8]}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, begin = self.server, 0
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if len(server.requests) > 1:
            server.gate.set()
        if server.status:
            return self.send_error(server.status)
        if asked and server.ranges:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(server.data):
                return self.send_error(416)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(server.data) - begin))
        if begin:
            last = len(server.data) - 1
            self.send_header("Content-Range", f"bytes {begin}-{last}/{len(server.data)}")
        self.end_headers()
        end = server.break_offs.pop(0) if server.break_offs else len(server.data)
        most = max(begin, end - 100_000)
        try:
            self.wfile.write(server.data[begin:most])
            server.gate.wait(timeout=120)
            self.wfile.write(server.data[most:end])
        except OSError:  # the client is gone
            self.close_connection = True
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server of DATA that stands in for the address of efficientnet-b0; no proxy, no pauses."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.ranges, server.status = DATA, True, None
    server.break_offs, server.requests = [], []
    server.gate = threading.Event()  # what a closed gate holds back, a second request lets through
    server.gate.set()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    server.address = f"http://127.0.0.1:{server.server_port}/{FILE}"
    source = Source(server.address, FILE, DIGEST[:8], "Apache-2.0")
    server.locate = functools.partial(locate, "efficientnet-b0", source)
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def _visible(folder):
    """The names in a folder, without that of the lock."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_is_fetched_once_and_recorded(server, tmp_path, capfd):
    path = server.locate()
    assert path == tmp_path / "cache" / FILE
    assert path.read_bytes() == DATA
    assert f"{FILE}: 100%" in capfd.readouterr().err
    assert (tmp_path / "cache" / f"{FILE}.sha256").read_text() == f"{DIGEST}  {FILE}\n"
    assert _visible(path.parent) == [FILE, f"{FILE}.sha256"]
    assert server.locate() == path
    assert server.requests == [None]


def test_a_broken_connection_is_resumed(server):
    server.break_offs = [100_000, 700_000]
    assert server.locate().read_bytes() == DATA
    assert server.requests == [None, "bytes=100000-", "bytes=700000-"]


def test_a_later_call_carries_on(server, tmp_path):
    server.break_offs = [100_000, 200_000, 300_000]
    with pytest.raises(FileNotFoundError, match="broke off after 300000 bytes"):
        server.locate()
    assert _visible(tmp_path / "cache") == [f"{FILE}.part"]
    assert server.locate().read_bytes() == DATA
    assert server.requests[-1] == "bytes=300000-"


@pytest.fixture
def messages(server, monkeypatch):
    """What is printed; the server ends the first file only once somebody says that he waits."""
    server.gate.clear()
    messages = []

    def told(text, file):
        messages.append((text, file))
        server.gate.set()

    monkeypatch.setattr(download, "print", told, raising=False)
    return messages


def test_who_wants_the_file_meanwhile_waits_for_it(server, messages, tmp_path):
    with ThreadPoolExecutor(3) as threads:
        paths = list(threads.map(lambda _: server.locate(), range(3)))
    assert {path.read_bytes() for path in paths} == {DATA}
    assert server.requests == [None]
    assert 1 <= len(messages) <= 2  # each of the others at most once
    assert set(messages) == {(f"{FILE}: waiting for another process that fetches it", sys.stderr)}
    assert _visible(tmp_path / "cache") == [FILE, f"{FILE}.sha256"]


def test_who_waited_fetches_what_the_other_could_not(server, messages):
    server.break_offs = [100_000, 200_000, 300_000]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(server.locate) for _ in range(2)]
    failed = [run.exception() for run in runs if run.exception()]
    assert ["broke off after 300000 bytes" in str(error) for error in failed] == [True]
    (path,) = (run.result() for run in runs if not run.exception())
    assert path.read_bytes() == DATA
    assert server.requests[3:] == ["bytes=300000-"]


def test_a_killed_download_is_carried_on(server, tmp_path):
    server.gate.clear()
    path, part = (tmp_path / "cache" / name for name in (FILE, f"{FILE}.part"))
    code = (
        "import pathlib, sys; from gaussft_jax.weights.download import download;"
        "download(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])"
    )
    arguments = [sys.executable, "-c", code, server.address, str(path), DIGEST]
    pause = threading.Event()
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        while not (part.exists() and part.stat().st_size):
            assert process.poll() is None
            pause.wait(0.01)
        process.kill()
    assert server.locate().read_bytes() == DATA
    assert server.requests == [None, f"bytes={1 << 20}-"]


def test_a_server_without_ranges_starts_over(server):
    server.ranges, server.break_offs = False, [100_000]
    assert server.locate().read_bytes() == DATA
    assert server.requests == [None, "bytes=100000-"]


def test_a_part_that_is_whole_already(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{FILE}.part").write_bytes(DATA)
    assert server.locate().read_bytes() == DATA


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * (len(DATA) + 1)])
def test_a_part_of_another_file_is_deleted(server, tmp_path, stale):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{FILE}.part").write_bytes(stale)
    with pytest.raises(ValueError, match=f"instead of {DIGEST[:8]}"):
        server.locate()
    assert server.locate().read_bytes() == DATA


def test_wrong_bytes_leave_nothing(server, tmp_path):
    server.data = DATA[:-1] + b"!"
    digest = hashlib.sha256(server.data).hexdigest()
    with pytest.raises(ValueError, match=f"sha256 {digest} instead of {DIGEST[:8]}"):
        server.locate()
    assert _visible(tmp_path / "cache") == []


def test_a_file_that_changes_later_is_an_error(server, tmp_path):
    path = server.locate()
    path.write_bytes(DATA[:-1] + b"!")
    with pytest.raises(ValueError, match=f"sha256 .* but {DIGEST} is expected"):
        server.locate()


def test_the_whole_digest_of_the_first_time_counts(server, tmp_path):
    record = tmp_path / "cache" / f"{FILE}.sha256"
    path = server.locate()
    record.write_text(f"{DIGEST[:8]}{'0' * 56}  {FILE}\n")
    with pytest.raises(ValueError, match=f"{DIGEST[:8]}00.* is expected"):
        server.locate()
    assert path.exists()


def test_a_record_does_not_replace_what_is_known(server, tmp_path):
    path = server.locate()
    path.write_bytes(b"other")
    digest = hashlib.sha256(b"other").hexdigest()
    (tmp_path / "cache" / f"{FILE}.sha256").write_text(f"{digest}  {FILE}\n")
    with pytest.raises(ValueError, match=f"{FILE} has sha256 {digest}"):
        server.locate()


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (503, 3)])
def test_offline_says_which_file_goes_where(server, tmp_path, status, attempts):
    server.status = status
    with pytest.raises(FileNotFoundError) as caught:
        server.locate()
    for part in (server.address, str(status), f"put it into {tmp_path / 'cache'}"):
        assert part in str(caught.value)
    assert len(server.requests) == attempts


def test_no_network_at_all(server, monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(FileNotFoundError, match="Name or service not known"):
        server.locate()
    path = tmp_path / "cache" / FILE
    path.write_bytes(DATA)  # what the message says
    assert server.locate() == path
    assert (tmp_path / "cache" / f"{FILE}.sha256").exists()
