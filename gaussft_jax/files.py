"""Files that are whole or not there, written beside and then renamed; their digests; the cache."""

import csv
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import platformdirs

__all__ = [
    "cache_folder",
    "check_apart",
    "check_file",
    "check_folder",
    "check_own",
    "check_replaceable",
    "file_name",
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

    The folder is created if it is missing. A failure leaves an earlier file as it was. The name is
    like no other's, also on a disk that several machines share.

    Raises:
        IsADirectoryError: there is a folder where the file should be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file to write")
    beside = path.with_name(f".{path.name}.{uuid4().hex}.part")
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


def check_replaceable(folder: str | Path, marker: str) -> None:
    """Refuse to replace what is neither missing, nor empty, nor known by its marker.

    Args:
        folder: that is to be written.
        marker: a file that every such folder has.

    Raises:
        FileExistsError: the folder holds something else, or is a link or no folder.
        ValueError: it is the current folder or one above, which cannot move.
    """
    folder = Path(folder)
    if folder.is_symlink():
        raise FileExistsError(f"{folder} is a link: name the folder itself, or another one")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder that is to be made")
    if folder.is_dir() and not (folder / marker).is_file() and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} holds other files and no {marker}: nothing was touched; name a new or an "
            "empty folder"
        )
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ValueError(f"{folder} is the current folder or one above: name a folder in it")


def check_apart(out: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to write where something is read from: into an input, or around it.

    Args:
        out: folder to write.
        inputs: files and folders that are read; those that are not there count as well.

    Raises:
        ValueError: one of them is `out`, or lies in it, or has it inside.
    """
    target = Path(out).resolve()
    for given in inputs:
        source = Path(given).resolve()
        if target == source or target in source.parents or source in target.parents:
            raise ValueError(
                f"{out} and {given} lie in one another: what is written would mix with what is "
                "read; choose another folder to write"
            )


def check_own(folder: str | Path, written: Sequence[str], field: str | None = None) -> None:
    """Refuse to write into a folder over what somebody else left there under our names.

    Args:
        folder: may be missing, and may hold whatever has other names.
        written: patterns of names that will be written; the first is the name of what is written
            first, and so is there where the others are ours.
        field: of the JSON object that the first one then is; None where it is no JSON.

    Raises:
        NotADirectoryError: a file is in the way.
        ValueError: what is there is not ours; the message names it.
    """
    check_folder(folder)
    marker = Path(folder, written[0])
    found = [path.name for pattern in written for path in sorted(Path(folder).glob(pattern))]
    if found and not (marker.exists() if field is None else field in _json_object(marker)):
        raise ValueError(
            f"{folder} holds a {found[0]} of something else, which would be lost: "
            "give another folder"
        )


def check_folder(folder: str | Path) -> None:
    """Refuse what is no folder to write into and cannot become one.

    Raises:
        NotADirectoryError: a file is in the way.
        PermissionError: the folder, or the one that it would be made in, is read-only.
    """
    place = Path(os.path.realpath(folder))
    there = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is a file, where a folder is needed: give another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"Permission denied: {there} is read-only; give another folder")


def check_file(path: str | Path) -> None:
    """Refuse what is no file and cannot become one.

    Raises:
        IsADirectoryError: it is a folder.
        NotADirectoryError: it lies in a file.
        PermissionError: its folder is read-only.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder, where a file is needed: give a file in it")
    check_folder(Path(path).parent)


def file_name(text: str) -> str:
    """The text as the name of a file: nothing that leads elsewhere, at most 200 bytes."""
    name = re.sub(r"[\x00-\x1f/\\:]", "_", text)
    while len(os.fsencode(name)) > 200:
        name = name[:-1]
    return name if name.strip(".") else f"_{name}"


@contextmanager
def replacing_folder(folder: str | Path, marker: str) -> Iterator[Path]:
    """An empty folder beside `folder`; it takes the place of `folder` when all went well.

    Args:
        folder: missing, empty, or an earlier one of the same kind.
        marker: a file that every folder of this kind has, by which an earlier one is known.

    Raises:
        FileExistsError: as from `check_replaceable`, before and after the work.
    """
    folder = Path(folder).absolute()
    check_replaceable(folder, marker)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as parts:
        new, old = Path(parts, "new"), Path(parts, "old")
        new.mkdir()
        yield new
        check_replaceable(folder, marker)
        if not folder.exists():
            new.rename(folder)
            return
        folder.rename(old)
        # What others put there stays there.
        kept = [path.name for path in old.iterdir() if not (new / path.name).exists()]
        try:
            for name in kept:
                (old / name).rename(new / name)
            new.rename(folder)
        except BaseException:
            for name in kept:
                if (new / name).exists():
                    (new / name).rename(old / name)
            old.rename(folder)
            raise


def sha256_of(path: str | Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """The folder of weights, images and compiled programs.

    `$GAUSSFT_CACHE`, or one in the user's cache folder.
    """
    return Path(os.environ.get("GAUSSFT_CACHE") or platformdirs.user_cache_path("gaussft_jax"))


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
