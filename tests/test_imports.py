"""Imports run downwards only, are quick, and bring in neither torch nor tensorflow nor a GUI."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gaussft_jax

PACKAGE = Path(gaussft_jax.__file__).parent
# What each part may import of ours; the parts above come later.
ALLOWED = {
    "files": set(),
    "weights": {"files"},
    "gaussian": set(),
    "vicinity": set(),
    "backbones": {"weights"},
    "data": {"files"},
    "parallel": set(),
    "evaluation": {"files"},
    "objectives": {"gaussian"},
    "report": {"evaluation", "files"},
    "compilation": {"files"},
    "scoring": {"backbones", "gaussian", "objectives", "parallel"},
    "training": {"backbones", "files", "gaussian", "objectives", "parallel", "vicinity"},
    "configuration": {"backbones", "training"},
    "models": {
        "backbones", "data", "evaluation", "files", "gaussian", "objectives", "scoring",
        "training", "vicinity",
    },
    "export": {"models"},
    "experiment": {
        "backbones", "configuration", "data", "evaluation", "files", "objectives", "parallel",
        "report", "scoring", "training", "vicinity",
    },
    "reproduction": {
        "backbones", "configuration", "data", "evaluation", "experiment", "files", "report",
        "vicinity",
    },
    "main": {"compilation", "experiment", "parallel"},
    "commands": {
        "backbones", "configuration", "data", "evaluation", "experiment", "export", "files",
        "gaussian", "models", "report", "weights",
    },
    "cli": {"commands", "compilation"},
}  # fmt: skip


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_is_placed():
    parts = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts - {"__init__"} == ALLOWED.keys()


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_run_downwards(part):
    root = PACKAGE / part
    files = root.rglob("*.py") if root.is_dir() else [root.with_suffix(".py")]
    for file in files:
        ours = {name.split(".")[1] for name in _imports(file) if name.startswith("gaussft_jax.")}
        assert ours - {part} <= ALLOWED[part], file


def test_nothing_foreign_is_imported_at_run_time():
    code = """
import sys
import gaussft_jax
from gaussft_jax import cli, configuration, experiment, main, models
for name in ("torch", "tensorflow", "matplotlib.pyplot", "tkinter", "PyQt5"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_does_not_load_jax():
    code = """
import sys
from gaussft_jax import cli
try:
    cli.main(["--help"])
except SystemExit as end:
    assert end.code == 0
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
