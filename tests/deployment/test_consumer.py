"""The program in the documentation that runs an ONNX model without this package."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import SMALL
from PIL import Image

from gaussft_jax.data import folds, read_images
from gaussft_jax.deployment import export_onnx
from gaussft_jax.detector import Detector

pytestmark = pytest.mark.usefixtures("small_network")
HOW_TO = Path(__file__).parents[2] / "docs" / "howto.md"


def test_the_documented_consumer_says_what_predict_says(tmp_path, stripes, rng):
    (program,) = re.findall(r"```python\n(import json\n.*?)```", HOW_TO.read_text("utf-8"), re.S)
    assert "jax" not in re.findall(r"(?m)^(?:import|from) (\w+)", program)
    detector = Detector.fit(stripes[:10], "deep_svdd", *SMALL, calibrate="split")
    (tmp_path / "detector.onnx").write_bytes(export_onnx(detector))
    new = tmp_path / "parts" / "new"
    new.mkdir(parents=True)
    Image.fromarray(stripes[folds(10)[0][0][0]]).save(new / "0.png")  # one that was fitted to
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(new / "1.jpg")
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = detector.predict(read_images(sorted(new.iterdir()), 32, progress=False))
    alarms = expected.defective(detector.calibration.rate())
    assert alarms.tolist() == [False, True]
    for line, score, p_value, alarm in zip(
        done.stdout.splitlines(), expected.scores, expected.p_values, alarms, strict=True
    ):
        *_, said_score, said_p_value, said = line.split()
        np.testing.assert_allclose(float(said_score), score, rtol=1e-5)
        np.testing.assert_allclose(float(said_p_value), p_value, rtol=1e-6)
        assert said == ("defective" if alarm else "good")
