"""Images spread over the processes: each reads and keeps a share."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array, Bool, Int, Int32, UInt8

from gaussft_jax.parallel.devices import SHARDED, device_put

__all__ = ["Rows", "Share", "owners", "share"]


class Rows(NamedTuple):
    """Images as the devices hold them: equally many on each, some of them only to fill up.

    Attributes:
        images: uint8 [r s s 3], those of all devices below each other.
        place: row of each image, int32 [n].
    """

    images: UInt8[Array | np.ndarray, "*r s s 3"]
    place: Int32[Array | np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Share:
    """Some images, of which this process holds its own.

    Attributes:
        local: this process's images in order, uint8 [m s s 3].
        owners: the process of each image, int [n].
    """

    local: UInt8[np.ndarray, "m s s 3"]
    owners: Int[np.ndarray, " n"]

    def __getitem__(self, chosen: Int[np.ndarray, " k"]) -> "Share":
        """The images of these numbers, in this order, where they are."""
        kept = chosen[self.owners[chosen] == jax.process_index()]
        return Share(self.local[self._ranks()[kept]], self.owners[chosen])

    def __len__(self) -> int:
        """How many images all processes hold together."""
        return len(self.owners)

    @property
    def most(self) -> int:
        """How many the process holds that holds most."""
        return int(np.bincount(self.owners, minlength=1).max())

    def batches(self, size: int) -> Iterator[tuple[UInt8[Array, "b s s 3"], Bool[Array, " b"]]]:
        """The images on all devices, `size` at a time (up to the next multiple of the devices).

        All batches have one shape, so that nothing recompiles for the last: it is filled up with
        black images, and so are those of processes that hold fewer.

        Yields:
            Images uint8 [b s s 3] and which of them are real, bool [b], sharded over the devices.
        """
        step = -(-size // jax.device_count()) * jax.local_device_count()
        for start in range(0, self.most, step):
            local = self.local[start : start + step]
            yield device_put((_padded(local, step), np.arange(step) < len(local)), SHARDED)

    def gather(self, local: np.ndarray) -> np.ndarray:
        """What the processes computed for their own images [m ...], of all in order [n ...]."""
        if jax.process_count() == 1:
            return local
        by_process = multihost_utils.process_allgather(_padded(local, self.most))
        return by_process[self.owners, self._ranks()]

    def rows(self) -> Rows:
        """This process's part of the images as `Rows`, to be put on its devices."""
        devices = jax.local_device_count()
        most = -(-self.most // devices) * devices
        return Rows(
            _padded(self.local, most), (self.owners * most + self._ranks()).astype(np.int32)
        )

    def _ranks(self) -> Int[np.ndarray, " n"]:
        """The number of each image among those of its process."""
        ranks = np.zeros(len(self.owners), int)
        for process in np.unique(self.owners):
            mine = self.owners == process
            ranks[mine] = np.arange(mine.sum())
        return ranks


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    if len(rows) == count:
        return rows
    return np.pad(rows, ((0, count - len(rows)), *((0, 0),) * (rows.ndim - 1)))


def owners(count: int) -> Int[np.ndarray, " n"]:
    """Which process reads which of `count` images: they take turns."""
    return np.arange(count) % jax.process_count()


def share(images: UInt8[np.ndarray, "n s s 3"] | Share) -> Share:
    """The share of images that every process has whole."""
    if isinstance(images, Share):
        return images
    by = owners(len(images))
    return Share(images if jax.process_count() == 1 else images[by == jax.process_index()], by)
