"""The notebooks run from top to bottom and keep what they showed."""

from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import HASTE
from nbformat.v4 import new_code_cell, new_notebook, new_output
from processes import LIMIT

FOLDER = Path(__file__).parents[1] / "notebooks"
# What is shown is of the same kind with less work.
LESS = {
    "EPOCHS = 8": "EPOCHS = 1",
    "SIZE = 128": "SIZE = 64",
    "draws_per_image=5": "draws_per_image=1",
    'vicinity("all")': 'vicinity("cutout")',
}


def _kinds(notebook):
    """What each cell shows: "stdout", or the media types of what is displayed.

    Printed text may arrive in any number of pieces, so neighbours count once; stderr holds bars
    and warnings, of which a busy machine shows more or fewer.
    """
    cells = []
    for cell in notebook.cells:
        kinds = []
        for output in cell.get("outputs", ()):
            kind = output.get("name") or (output.output_type, *sorted(output.get("data", ())))
            if kind != "stderr" and not (kind == "stdout" and kinds[-1:] == [kind]):
                kinds.append(kind)
        cells.append(kinds)
    return cells


def _notebook(*outputs):
    return new_notebook(cells=[new_code_cell(outputs=list(outputs))])


def test_a_stream_may_arrive_in_pieces():
    stream = lambda text, name="stdout": new_output("stream", name=name, text=text)
    figure = new_output("display_data", {"text/plain": "", "image/png": ""})
    whole = _kinds(_notebook(stream("epoch 1\nepoch 2\n"), figure, figure))
    pieces = (stream("epoch 1\n"), stream("50%", "stderr"), stream("epoch 2\n"), figure, figure)
    assert _kinds(_notebook(*pieces)) == whole
    assert whole == [["stdout", *2 * [("display_data", "image/png", "text/plain")]]]
    # What is missing or in another place is told apart.
    for other in ((figure, figure), (stream("epoch"), figure), (figure, stream("epoch"), figure)):
        assert _kinds(_notebook(*other)) != whole


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
# The kernel's connection on this machine is not encrypted, of which Jupyter warns.
@pytest.mark.filterwarnings("ignore")
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv(HASTE.upper(), "1")  # it compiles for longer than it runs
    notebook = nbformat.read(path, as_version=4)
    kept = _kinds(notebook)
    for cell in notebook.cells:
        for given, less in LESS.items():
            cell.source = cell.source.replace(given, less)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=LIMIT, resources=resources).execute()
    shown = _kinds(notebook)
    assert shown == kept
    assert any("image/png" in kind for cell in shown for kind in cell)
