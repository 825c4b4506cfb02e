"""Each file of configs/ alone, as one copies it beside one's own data."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest

from gaussft_jax import configuration

FILES = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_copied_config_needs_the_package_alone(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "configs", None)  # not importable
    config = runpy.run_path(shutil.copy(file, tmp_path))["get_config"]("bolt")
    configuration.check(config)
    assert config.data.category == "bolt"
    assert config.tune == file.stem.startswith("mvtec")
