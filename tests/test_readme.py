"""The README's Python runs, and its relative links lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

README = Path(__file__).parents[1] / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet_runs(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("good", "new"):
        (tmp_path / "parts" / folder).mkdir(parents=True)
        for i in range(6):  # from five on, a detector is calibrated
            image = rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "parts" / folder / f"{i}.png")
    exec(snippet, {})


def test_there_are_snippets_and_named_files_exist():
    assert len(SNIPPETS) == 2
    text = README.read_text()
    for name in re.findall(r"`((?:configs|scripts|gaussft_jax)/[\w./]+)`", text):
        assert (README.parent / name).exists(), name
