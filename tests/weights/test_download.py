"""Downloads from a local server that misbehaves in every way a real one does."""

import hashlib
import http.server
import threading
import urllib.request

import pytest

from gaussft_jax.weights import SOURCES, Source, download, locate

DATA = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(DATA).hexdigest()
FILE = f"efficientnet-b0-{DIGEST[:8]}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, begin = self.server, 0
        asked = self.headers.get("Range")
        server.requests.append(asked)
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
        self.wfile.write(server.data[begin:end])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server of DATA that stands in for the address of efficientnet-b0; no proxy, no pauses."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.ranges, server.status = DATA, True, None
    server.break_offs, server.requests = [], []
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    server.address = f"http://127.0.0.1:{server.server_port}/{FILE}"
    source = Source(server.address, FILE, DIGEST[:8], "Apache-2.0")
    monkeypatch.setitem(SOURCES, "efficientnet-b0", source)
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_once_and_recorded(server, tmp_path, capfd):
    path = locate("efficientnet-b0")
    assert path == tmp_path / "cache" / FILE
    assert path.read_bytes() == DATA
    assert f"{FILE}: 100%" in capfd.readouterr().err
    assert (tmp_path / "cache" / f"{FILE}.sha256").read_text() == f"{DIGEST}  {FILE}\n"
    assert sorted(p.name for p in path.parent.iterdir()) == [FILE, f"{FILE}.sha256"]
    assert locate("efficientnet-b0") == path
    assert server.requests == [None]


def test_a_broken_connection_is_resumed(server):
    server.break_offs = [100_000, 700_000]
    assert locate("efficientnet-b0").read_bytes() == DATA
    assert server.requests == [None, "bytes=100000-", "bytes=700000-"]


def test_a_later_call_carries_on(server, tmp_path):
    server.break_offs = [100_000, 200_000, 300_000]
    with pytest.raises(FileNotFoundError, match="broke off after 300000 bytes"):
        locate("efficientnet-b0")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [f"{FILE}.part"]
    assert locate("efficientnet-b0").read_bytes() == DATA
    assert server.requests[-1] == "bytes=300000-"


def test_a_server_without_ranges_starts_over(server):
    server.ranges, server.break_offs = False, [100_000]
    assert locate("efficientnet-b0").read_bytes() == DATA
    assert server.requests == [None, "bytes=100000-"]


def test_a_part_that_is_whole_already(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{FILE}.part").write_bytes(DATA)
    assert locate("efficientnet-b0").read_bytes() == DATA


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * (len(DATA) + 1)])
def test_a_part_of_another_file_is_deleted(server, tmp_path, stale):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{FILE}.part").write_bytes(stale)
    with pytest.raises(ValueError, match=f"instead of {DIGEST[:8]}"):
        locate("efficientnet-b0")
    assert locate("efficientnet-b0").read_bytes() == DATA


def test_wrong_bytes_leave_nothing(server, tmp_path):
    server.data = DATA[:-1] + b"!"
    digest = hashlib.sha256(server.data).hexdigest()
    with pytest.raises(ValueError, match=f"sha256 {digest} instead of {DIGEST[:8]}"):
        locate("efficientnet-b0")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_changes_later_is_an_error(server, tmp_path):
    path = locate("efficientnet-b0")
    path.write_bytes(DATA[:-1] + b"!")
    with pytest.raises(ValueError, match=f"sha256 .* but {DIGEST} is expected"):
        locate("efficientnet-b0")


def test_the_whole_digest_of_the_first_time_counts(server, tmp_path):
    record = tmp_path / "cache" / f"{FILE}.sha256"
    path = locate("efficientnet-b0")
    record.write_text(f"{DIGEST[:8]}{'0' * 56}  {FILE}\n")
    with pytest.raises(ValueError, match=f"{DIGEST[:8]}00.* is expected"):
        locate("efficientnet-b0")
    assert path.exists()


def test_a_record_does_not_replace_what_is_known(server, tmp_path):
    path = locate("efficientnet-b0")
    path.write_bytes(b"other")
    digest = hashlib.sha256(b"other").hexdigest()
    (tmp_path / "cache" / f"{FILE}.sha256").write_text(f"{digest}  {FILE}\n")
    with pytest.raises(ValueError, match=f"{FILE} has sha256 {digest}"):
        locate("efficientnet-b0")


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (503, 3)])
def test_offline_says_which_file_goes_where(server, tmp_path, status, attempts):
    server.status = status
    with pytest.raises(FileNotFoundError) as caught:
        locate("efficientnet-b0")
    for part in (server.address, str(status), f"put it into {tmp_path / 'cache'}"):
        assert part in str(caught.value)
    assert len(server.requests) == attempts


def test_no_network_at_all(server, monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(FileNotFoundError, match="Name or service not known"):
        locate("efficientnet-b0")
    path = tmp_path / "cache" / FILE
    path.write_bytes(DATA)  # what the message says
    assert locate("efficientnet-b0") == path
    assert (tmp_path / "cache" / f"{FILE}.sha256").exists()
