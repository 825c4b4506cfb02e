"""The notebooks run from top to bottom and keep what they showed."""

from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"


def _outputs(notebook):
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
# The kernel's connection on this machine is not encrypted, of which Jupyter warns.
@pytest.mark.filterwarnings("ignore")
def test_it_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    kept = _outputs(notebook)
    for cell in notebook.cells:
        cell.source = cell.source.replace("EPOCHS = 8", "EPOCHS = 1")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    shown = [output for output in _outputs(notebook) if output.get("name") != "stderr"]
    assert [output.output_type for output in shown] == [output.output_type for output in kept]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 1
