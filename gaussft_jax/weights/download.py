"""Files fetched over HTTP: resumed, checked by sha256, and in place only when whole."""

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from gaussft_jax.files import sha256_of, write_text

__all__ = ["download", "verify"]

_ATTEMPTS = 3
_TIMEOUT_S = 30
_CHUNK = 1 << 20


def download(address: str, path: Path, sha256: str) -> None:
    """Put the file at `address` to `path`, with a progress bar on stderr.

    The bytes go to `path.part`, which a later call carries on with, and are renamed once their
    sha256 is right. Of several processes or threads that want the file, one fetches it; the others
    wait and verify it.

    Args:
        address: http or https.
        path: the file to write; its folder is made.
        sha256: hexadecimal digits that the file's sha256 starts with.

    Raises:
        ConnectionError: the file could not be had.
        ValueError: the bytes are others than expected; they are deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if not path.exists():
            _fetch_whole(address, path, sha256)
        verify(path, sha256)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else fetches `path` meanwhile; the system frees the lock of a process that dies."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"{path.name}: waiting for another process that fetches it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_whole(address: str, path: Path, sha256: str) -> None:
    part = path.with_name(f"{path.name}.part")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _fetch(address, part)
            break
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or attempt == _ATTEMPTS:
                raise ConnectionError(str(error)) from error
            time.sleep(attempt)
    digest = sha256_of(part)
    if not digest.startswith(sha256):
        part.unlink()
        raise ValueError(f"{address} gave a file of sha256 {digest} instead of {sha256}...")
    part.replace(path)


def _fetch(address: str, part: Path) -> None:
    """Append to `part` what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        # Nothing lies behind `have`: the part is whole, or is no part of this file. Its sha256
        # will tell which.
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # the server ignores ranges
            have = 0
        rest = response.length
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(
                desc=part.stem, initial=have, total=rest and have + rest, unit="B", unit_scale=True
            ) as progress,
        ):
            while chunk := response.read(_CHUNK):
                progress.update(file.write(chunk))
        size = part.stat().st_size
        if rest is not None and size < have + rest:
            raise ConnectionError(f"{address} broke off after {size} bytes")


def verify(path: Path, sha256: str) -> None:
    """Compare a file's sha256 with what is known of it, and with what it was the first time.

    The first time, the whole digest is written to `path.sha256`, in the form of `sha256sum`.

    Args:
        path: the file.
        sha256: hexadecimal digits that its sha256 starts with.

    Raises:
        ValueError: the file is damaged, another one, or has changed.
    """
    record = path.with_name(f"{path.name}.sha256")
    known = record.read_text().partition(" ")[0] if record.exists() else sha256
    digest = sha256_of(path)
    if not (digest.startswith(sha256) and digest.startswith(known)):
        raise ValueError(
            f"{path} has sha256 {digest}, but {known} is expected: the file is damaged or has "
            f"changed; delete it (and {record.name}) to have it fetched again"
        )
    if not record.exists():
        write_text(record, f"{digest}  {path.name}\n")
