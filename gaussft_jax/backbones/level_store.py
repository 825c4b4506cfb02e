"""Features that were computed before, kept on disk for folds and runs that ask again."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from gaussft_jax.arrays import digest_of
from gaussft_jax.backbones.backbone import Backbone, Levels, Variables
from gaussft_jax.files import cache_folder

__all__ = ["LevelStore"]

Network = Callable[[UInt8[Array, "n s s 3"]], Levels]

_GIGABYTES = 20.0
_RESERVE = 2e9  # bytes of the disk that stay free
_MOUNTS = Path("/proc/self/mountinfo")


class LevelStore:
    """Levels of images under frozen networks, found again by the bytes of image and weights.

    A CPU reads an image's levels many times faster than it computes them: 3 MB for Lite0 at 224 px,
    14 MB for B4 at 380 px. On accelerators, and where several processes share the images, the
    store stands aside. Its file has no name, so that it ends with the process in any case.

    The file grows to $GAUSSFT_LEVEL_STORE_GB, 20 without it, and leaves 2 GB of the disk free; 0
    turns the store off. What finds no place is computed each time.

    Attributes:
        useful: whether asking it saves time: on one process's CPU, with a disk to write to.
    """

    def __init__(self, folder: str | Path | None = None):
        """A store without anything in it.

        Args:
            folder: where its file lies; None for the first of the system's folder for temporary
                files and `files.cache_folder` that is no RAM disk (told on Linux only).
        """
        self._limit = 1e9 * float(os.environ.get("GAUSSFT_LEVEL_STORE_GB", _GIGABYTES))
        self._folder = _on_disk() if folder is None else Path(folder)
        on_one_cpu = jax.default_backend() == "cpu" and jax.process_count() == 1
        self.useful = on_one_cpu and self._limit > 0 and self._folder is not None
        if self.useful:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, kept open
            weakref.finalize(self, self._file.close)
        self._rows: dict[bytes, int] = {}  # where the levels of an image begin in the file
        # Of a network's levels, [h w c], by the network and the shape of an image.
        self._shapes: dict[tuple[bytes, tuple[int, ...]], list[tuple[int, ...]]] = {}

    def remembering(self, backbone: Backbone, variables: Variables, network: Network) -> Network:
        """`network` that computes a batch only where one of its images is new.

        Args:
            backbone: of the network.
            variables: its weights.
            network: from images, uint8 [n s s 3], to their levels, one image apart from another.
        """
        name = digest_of(variables, (backbone, backbone.pixels))

        def remembered(images):
            keys = [blake2b(image, key=name).digest() for image in np.asarray(images)]
            size = (name, images.shape[1:])
            if all(key in self._rows for key in keys):
                return self._read(keys, self._shapes[size])
            levels = network(images)
            self._shapes[size] = [level.shape[1:] for level in levels]
            try:
                self._write(keys, levels)
            except OSError:  # a full disk costs the time that it would have saved, nothing else
                self.useful = False
            return levels

        return lambda images: remembered(images) if self.useful else network(images)

    def _write(self, keys, levels):
        rows = np.concatenate([np.asarray(level).reshape(len(keys), -1) for level in levels], 1)
        end = self._file.seek(0, os.SEEK_END)
        free = shutil.disk_usage(self._folder).free - _RESERVE
        if rows.nbytes > min(free, self._limit - end):
            return
        for key, row in zip(keys, rows, strict=True):
            if key not in self._rows:
                self._rows[key] = self._file.tell()
                self._file.write(row.data)
        self._file.flush()  # here, where a full disk is no failure

    def _read(self, keys, shapes):
        sizes = [int(np.prod(shape)) for shape in shapes]
        rows = np.empty((len(keys), sum(sizes)), np.float32)
        for row, key in zip(rows, keys, strict=True):
            self._file.seek(self._rows[key])
            self._file.readinto(row.data)
        levels = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
        return tuple(
            jnp.asarray(level.reshape(len(keys), *shape))
            for level, shape in zip(levels, shapes, strict=True)
        )


def _on_disk() -> Path | None:
    """A folder for large files that are soon gone, not in memory; None where there is none."""
    for folder in (Path(tempfile.gettempdir()), cache_folder()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and not _in_memory(folder):
                return folder
        except OSError:  # no such folder, and none can be made
            continue
    return None


def _in_memory(folder: Path) -> bool:
    """Whether the folder's file system is a RAM disk, as far as Linux tells."""
    if not _MOUNTS.exists():
        return False
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _MOUNTS.read_text("utf-8", "replace").splitlines():
        mount, _, system = line.partition(" - ")
        if mount.split()[2] == number:
            return system.split()[0] in ("tmpfs", "ramfs")
    return False
