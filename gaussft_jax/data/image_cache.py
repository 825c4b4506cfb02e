"""Resized photographs kept from one run to the next, so that a category is decoded once."""

import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from gaussft_jax.data.category import ImageFile
from gaussft_jax.files import cache_folder, replacing

__all__ = ["cached"]

_READING = 1  # raised whenever `read_image` gives other pixels than before
_FEWEST = 16  # images; fewer are as quickly decoded
_GIGABYTES = 4.0


def cached(
    paths: Sequence[ImageFile], size: int, read: Callable[[], UInt8[np.ndarray, "n s s 3"]]
) -> UInt8[np.ndarray, "n s s 3"]:
    """`read()`, or what it gave for the same files before.

    Files count as the same with the same absolute path, modification time in nanoseconds and size
    in bytes. The cache is `images` in `files.cache_folder`; what was not used for longest goes
    first when it grows past $GAUSSFT_IMAGE_CACHE_GB, 4 without it, and 0 turns it off.

    Args:
        paths: the files in order; only those of a file system are cached.
        size: side of the images, pixels.
        read: decodes them.
    """
    limit = 1e9 * float(os.environ.get("GAUSSFT_IMAGE_CACHE_GB", _GIGABYTES))
    if not limit or len(paths) < _FEWEST or not all(isinstance(path, Path) for path in paths):
        return read()
    identities = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            return read()  # which says what is wrong
        identities.append((str(path.absolute()), stat.st_mtime_ns, stat.st_size))
    key = blake2b(json.dumps([_READING, size, identities]).encode(), digest_size=16).hexdigest()
    entry = cache_folder() / "images" / f"{key}.npy"
    # Missing, of a run that was killed, or on a disk that is gone: all the same.
    with suppress(OSError, ValueError):
        images = np.load(entry)
        os.utime(entry)
        return images
    images = read()
    if images.nbytes <= limit:
        with suppress(OSError):
            with replacing(entry) as beside, beside.open("wb") as file:
                np.save(file, images)
            _prune(entry.parent, limit)
    return images


def _prune(folder: Path, limit: float) -> None:
    # Entries alone: the folder may be one that holds other arrays.
    entries = [path for path in folder.glob("*.npy") if re.fullmatch("[0-9a-f]{32}", path.stem)]
    newest = sorted(entries, key=lambda path: -path.stat().st_mtime_ns)
    used = 0
    for path in newest:
        used += path.stat().st_size
        if used > limit:
            path.unlink(missing_ok=True)
