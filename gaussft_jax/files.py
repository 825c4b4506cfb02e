"""Files that are whole or not there, written beside and then renamed; their digests; the cache."""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

__all__ = [
    "cache_folder",
    "read_json",
    "replacing",
    "replacing_folder",
    "sha256_of",
    "write_csv",
    "write_json",
    "write_text",
]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when all went well.

    The folder is created if it is missing. A failure leaves an earlier file as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 in place of `path`.

    What is no valid Unicode, in the name of a file say, is written as an escape: it must not cost
    the result.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_csv(path: str | Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as comma-separated values in place of `path`."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    write_text(path, file.getvalue())


def write_json(path: str | Path, data: Any) -> None:
    """Write `data` as indented JSON, NaN refused, in place of `path`."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


@contextmanager
def replacing_folder(folder: str | Path) -> Iterator[Path]:
    """An empty folder beside `folder`; it takes the place of `folder` when all went well."""
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as parts:
        new, old = Path(parts, "new"), Path(parts, "old")
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


def sha256_of(path: str | Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """The folder of weights, images and compiled programs.

    `$GAUSSFT_CACHE`, or one in the user's cache folder.
    """
    return Path(os.environ.get("GAUSSFT_CACHE") or platformdirs.user_cache_path("gaussft_jax"))
