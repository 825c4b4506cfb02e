"""State dicts of PyTorch files, in the zip and in the legacy format, without torch."""

import io
import mmap
import struct
import zipfile
from pathlib import Path

import numpy as np

from gaussft_jax.weights.restricted_pickle import Storage, Tensor, unpickle

__all__ = ["read_torch"]

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# What zipfile and mmap raise for damaged files, beside ValueError.
_DAMAGE = (zipfile.BadZipFile, ArithmeticError, EOFError, LookupError, OSError, RuntimeError)

_Parts = tuple[object, dict[str, Storage], dict[str, bytes]]


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch checkpoint by their names in the file.

    A checkpoint that keeps them under `state_dict` or `model` is unwrapped. Nothing in the file is
    executed, and memory stays in proportion to the size of the file.

    Args:
        path: file written by `torch.save`, of either format.

    Returns:
        Read-only arrays of the file's own dtypes and shapes, not necessarily contiguous.

    Raises:
        ValueError: the file is damaged or truncated, or asks for anything but tensors and
            containers; the message names the file and what was refused.
    """
    with Path(path).open("rb") as file:
        try:
            with _Stream(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
                is_zip = stream[: len(_ZIP_MAGIC)] == _ZIP_MAGIC
                return _arrays(*(_read_zip(stream) if is_zip else _read_legacy(stream)))
        except (ValueError, *_DAMAGE) as error:
            raise ValueError(
                f"{path} is damaged, truncated or no plain PyTorch checkpoint: {error}"
            ) from error


class _Stream(mmap.mmap):
    """A mapped file: unlike one that is read, it allocates no more than it has."""

    def seekable(self) -> bool:
        """True; zipfile asks, and mmap answers only since Python 3.13."""
        return True


def _read_zip(stream: _Stream) -> _Parts:
    """One folder with data.pkl and a member data/KEY per storage."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("refused: compressed members, which PyTorch does not write")
        if sum(member.file_size for member in members) > len(stream):
            raise ValueError("its members claim more bytes than the file has")
        names = archive.namelist()
        roots = [name[: -len("data.pkl")] for name in names if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError(f"{len(roots)} members called data.pkl instead of one")
        root = roots[0]
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("written on a big-endian machine")
        state, storages = unpickle(io.BytesIO(archive.read(f"{root}data.pkl")))
        data = {key: archive.read(f"{root}data/{key}") for key in storages}
    return state, storages, data


def _read_legacy(stream: _Stream) -> _Parts:
    """Pickles of magic, protocol, system, object and storage keys; then the storages' bytes."""
    magic, _ = unpickle(stream)
    protocol, _ = unpickle(stream)
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise ValueError("wrong magic number or protocol")
    system, _ = unpickle(stream)
    if not (isinstance(system, dict) and system.get("little_endian") is True):
        raise ValueError("written on a big-endian machine")
    state, storages = unpickle(stream)
    keys, _ = unpickle(stream)
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise ValueError("its list of storages is none")
    data = {}
    for key in keys:
        if stream.read(8) != struct.pack("<q", storages[key].size):
            raise ValueError(f"truncated, or storage {key} has not the size of its tensors")
        data[key] = stream.read(storages[key].nbytes)
    return state, storages, data


def _arrays(
    state: object, storages: dict[str, Storage], data: dict[str, bytes]
) -> dict[str, np.ndarray]:
    for key, storage in storages.items():
        if len(data[key]) != storage.nbytes:
            raise ValueError(
                f"truncated: storage {key} has {len(data[key])} of {storage.nbytes} bytes"
            )
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__} instead of a state dict")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise ValueError(f"its entry {name!r} is a {type(value).__name__}, not a tensor")
    return {name: tensor.view(data[tensor.storage.key]) for name, tensor in state.items()}
