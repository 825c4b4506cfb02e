"""Imports run downwards only, are quick, and bring in neither torch nor tensorflow nor a GUI."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gaussft_jax

REPOSITORY = Path(__file__).parents[1]
PACKAGE = Path(gaussft_jax.__file__).parent
# What each part may import of ours; the parts above come later.
ALLOWED = {
    "files": set(),
    "arrays": {"files"},
    "weights": {"arrays", "files"},
    "lowering": set(),
    "parallel": set(),
    "gaussian": {"parallel"},
    "vicinity": {"lowering"},
    "backbones": {"arrays", "files", "lowering", "weights"},
    "data": {"files"},
    "evaluation": {"data", "files"},
    "memory": {"gaussian", "lowering"},
    "learning": {"arrays"},
    "methods": {"backbones", "gaussian", "learning", "lowering", "memory"},
    "network": {"backbones", "gaussian", "lowering", "parallel"},
    "report": {"data", "evaluation", "files"},
    "versions": set(),
    "compilation": {"files"},
    "scoring": {"backbones", "gaussian", "methods", "network"},
    "training": {
        "backbones", "files", "gaussian", "learning", "methods", "network", "parallel",
        "vicinity",
    },
    "configuration": {"backbones", "data", "methods", "training", "vicinity"},
    "detector": {
        "arrays", "backbones", "data", "evaluation", "files", "methods", "network", "parallel",
        "scoring", "training", "vicinity",
    },
    "comparison": {"data", "detector", "evaluation", "files", "report"},
    "inspection": {"data", "detector", "files", "parallel", "report"},
    "serving": {"data", "files", "inspection", "report"},
    "deployment": {"detector", "evaluation", "lowering"},
    "results": {"data", "detector", "evaluation", "network", "versions"},
    "experiment": {
        "backbones", "configuration", "data", "detector", "evaluation", "files", "methods",
        "parallel", "report", "results", "scoring", "training", "vicinity",
    },
    "reproduction": {
        "backbones", "configuration", "data", "evaluation", "experiment", "files", "methods",
        "report", "vicinity",
    },
    "main": {"compilation", "experiment", "parallel"},
    "commands": {
        "backbones", "comparison", "configuration", "data", "deployment", "detector", "evaluation",
        "experiment", "files", "gaussian", "inspection", "methods", "parallel", "report", "results",
        "serving", "training", "versions", "weights",
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
    assert _imported(part) <= ALLOWED[part]


def test_the_diagram_is_that_of_the_code():
    page = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
    drawn = page.split("```mermaid\n")[1].split("```")[0]
    assert drawn.splitlines() == _diagram()


def _diagram():
    """Who imports whom, without what follows from other imports."""
    direct = {part: _imported(part) for part in ALLOWED}

    def below(part):
        return direct[part].union(*map(below, direct[part]))

    arrows = [
        f"  {part} --> {other}"
        for part in sorted(direct)
        for other in sorted(direct[part].difference(*map(below, direct[part])))
    ]
    return ["graph TD", *arrows]


def _imported(part):
    root = PACKAGE / part
    files = root.rglob("*.py") if root.is_dir() else [root.with_suffix(".py")]
    names = {name for file in files for name in _imports(file)}
    return {name.split(".")[1] for name in names if name.startswith("gaussft_jax.")} - {part}


def test_nothing_foreign_is_imported_at_run_time():
    code = """
import sys
import gaussft_jax
from gaussft_jax import cli, configuration, detector, experiment, main
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
