"""The documentation builds without a warning and shows every public function."""

import functools
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gaussft_jax
from gaussft_jax.reproduction import results_page

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        check=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    return folder


def test_every_public_name_is_in_the_api(site):
    page = (site / "api" / "index.html").read_text("utf-8")
    shown = {name.rpartition(".")[2] for name in re.findall(r'id="(gaussft_jax[\w.]+)"', page)}
    # The configuration is described in its own file, field by field.
    assert set(gaussft_jax.__all__) - shown == {"default_config"}


def test_the_architecture_names_what_exists():
    page = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
    names = re.findall(r"`((?!lax\.)[a-z]\w*\.[\w.]+)`", page)
    assert len(names) > 30
    for name in names:
        part, *attributes = name.split(".")
        functools.reduce(getattr, attributes, importlib.import_module(f"gaussft_jax.{part}"))


def test_the_page_of_figures_is_made_from_its_file():
    page = (REPOSITORY / "docs" / "results.md").read_text("utf-8")
    command, named = re.search(r"which `([^`]+)` leaves\. Percent, .*?\. (A run .*)", page).groups()
    assert results_page(REPOSITORY / "docs" / "results.csv", command, named) == page


def test_links_between_pages_lead_somewhere(site):
    for page in site.rglob("*.html"):
        for link in re.findall(r'href="([^"#:?]+)[#?"]', page.read_text("utf-8")):
            if not link.startswith("/"):
                target = page.parent / link
                assert target.exists() or (target / "index.html").exists(), (page.name, link)
