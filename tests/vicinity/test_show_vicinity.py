import subprocess
import sys
from pathlib import Path

from PIL import Image

SCRIPT = Path(__file__).parents[2] / "scripts" / "show_vicinity"


def test_the_script_writes_a_figure(photographs, tmp_path):
    photographs[0].save(tmp_path / "part.png")
    out = tmp_path / "figure.png"
    command = [sys.executable, SCRIPT, tmp_path / "part.png", "--out", out, "--size", "64"]
    subprocess.run(command, check=True)
    with Image.open(out) as figure:
        assert figure.width > figure.height > 300
