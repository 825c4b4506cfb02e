"""Features that were computed before, kept on disk for folds and runs that ask again."""

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
from gaussft_jax.backbones.registry import Backbone, Levels, Variables

__all__ = ["LevelStore"]

Network = Callable[[UInt8[Array, "n s s 3"]], Levels]


class LevelStore:
    """Levels of images under frozen networks, found again by the bytes of image and weights.

    A CPU reads an image's levels many times faster than it computes them: 3 MB for Lite0 at 224 px,
    14 MB for B4 at 380 px. On accelerators, and where several processes share the images, the
    store stands aside. Its file has no name, so that it ends with the process in any case.

    Attributes:
        useful: whether asking it saves time: on one process's CPU, while the disk has room.
    """

    def __init__(self, folder: str | Path):
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, lives as long as the store
        weakref.finalize(self, self._file.close)
        self.useful = jax.default_backend() == "cpu" and jax.process_count() == 1
        self._rows: dict[bytes, int] = {}  # where the levels of an image begin in the file
        self._shapes: dict[bytes, list[tuple[int, ...]]] = {}  # of a network's levels, [h w c]

    def remembering(self, backbone: Backbone, variables: Variables, network: Network) -> Network:
        """`network` that computes a batch only where one of its images is new.

        Args:
            backbone: of the network.
            variables: its weights.
            network: from images, uint8 [n s s 3], to their levels, one image apart from another.
        """
        name = digest_of(variables, backbone)

        def remembered(images):
            keys = [blake2b(image, key=name).digest() for image in np.asarray(images)]
            if all(key in self._rows for key in keys):
                return self._read(keys, self._shapes[name])
            levels = network(images)
            self._shapes[name] = [level.shape[1:] for level in levels]
            try:
                self._write(keys, levels)
            except OSError:  # a full disk costs the time that it would have saved, nothing else
                self.useful = False
            return levels

        return lambda images: remembered(images) if self.useful else network(images)

    def _write(self, keys, levels):
        rows = np.concatenate([np.asarray(level).reshape(len(keys), -1) for level in levels], 1)
        for key, row in zip(keys, rows, strict=True):
            if key not in self._rows:
                place = self._file.seek(0, 2)
                self._file.write(row.data)
                self._rows[key] = place

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
