"""ONNX models in ONNX Runtime and OpenVINO against `Detector.predict`."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from networks import SMALL, fitted_detector
from PIL import Image
from runtimes import assert_equal, runtimes

from gaussft_jax import cli, methods
from gaussft_jax.data import list_images, read_images, write_photographs
from gaussft_jax.deployment import export_onnx
from gaussft_jax.detector import Detector


@pytest.fixture(scope="module")
def svdd(tiny, stripes):
    return fitted_detector(tiny, methods.create("deep_svdd"), [stripes[:12]], [stripes[12:]])


def test_without_calibration_there_is_no_decision(svdd, stripes):
    detector = dataclasses.replace(svdd, calibration=None)
    model = export_onnx(detector)
    found = runtimes(model)[0](stripes[:2])
    assert list(found) == ["score", "map"]
    np.testing.assert_allclose(found["score"], detector.predict(stripes[:2]).scores, rtol=1e-5)
    assert "false_alarm_rate" not in _metadata(model)
    with pytest.raises(ValueError, match="not calibrated"):
        export_onnx(detector, 0.1)


def test_photographs_are_resized_as_pillow_does(svdd, rng):
    model = export_onnx(svdd, resize=True)
    assert _metadata(model)["inputs"]["photographs"]["shape"] == ["B", "h", "w", 3]
    both = runtimes(model)
    for h, w in ((96, 150), (131, 47), (20, 32)):
        smooth = map(Image.fromarray, rng.integers(0, 256, (2, 5, 5, 3), np.uint8))
        photographs = [image.resize((w, h), Image.Resampling.BICUBIC) for image in smooth]
        resized = [image.resize((32, 32), Image.Resampling.BILINEAR) for image in photographs]
        expected = svdd.predict(np.stack(resized))
        for run in both:
            found = run(np.stack(photographs))
            # A grey level here and there is another.
            np.testing.assert_allclose(found["score"], expected.scores, rtol=5e-3)
            np.testing.assert_allclose(found["map"], expected.maps, atol=0.01 * expected.maps.max())


def test_the_command(small_network, stripes, tmp_path, capsys, monkeypatch):
    detector = Detector.fit(stripes[:10], "deep_svdd", *SMALL, calibrate="split")
    folder, out = tmp_path / "model", tmp_path / "detector.onnx"
    detector.save(folder)
    export = ["export", str(folder), "--out"]
    assert cli.main([*export, str(out), "--alpha", "0.4"]) == 0
    said = capsys.readouterr().out
    assert "images uint8 [n 32 32 3] -> scores [n], maps [n 32 32], p-values [n]" in said
    assert f"InferenceSession({str(out)!r}).run(None, {{'images': images}})" in said
    session = onnxruntime.InferenceSession(out)
    assert [(given.name, given.shape) for given in session.get_inputs()] == [
        ("images", ["B", 32, 32, 3])
    ]
    assert {output.name: output.shape for output in session.get_outputs()} == {
        "score": ["B"], "map": ["B", 32, 32], "p_value": ["B"], "defective": ["B"],
    }  # fmt: skip
    about = _metadata(out.read_bytes())
    assert about["method"] == "deep_svdd" and about["image_size"] == 32
    assert about["false_alarm_rate"] == 0.4
    assert about["pixel_threshold"] == detector.pixel_threshold(0.4)
    assert about["outputs"].keys() == {"score", "map", "p_value", "defective"}

    before = out.read_bytes()

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        assert cli.main([*export, str(out)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert out.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    picture = tmp_path / "picture.onnx"
    Image.fromarray(stripes[0]).save(picture, "png")
    for arguments, reason in (
        ([str(picture)], "is no exported detector"),
        ([str(out), "--platforms=cpu"], "--platforms is no option of the format onnx"),
        ([str(tmp_path / "program"), "--resize"], "--resize is no option of the format stablehlo"),
        ([str(out), "--alpha=0.001"], "needs 999 good images held out, there are 2"),
    ):
        assert cli.main([*export, *arguments]) == 1
        assert reason in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    assert cli.main([*export, str(tmp_path / "new.onnx")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and 'pip install "gaussft_jax[onnx]"' in error
    assert out.read_bytes() == before and len(list(tmp_path.iterdir())) == 3


def test_what_no_runtime_computes_is_refused(svdd, monkeypatch):
    halves = dataclasses.replace(svdd.backbone, dtype="bfloat16")
    network = dataclasses.replace(svdd.network, backbone=halves)
    with pytest.raises(ValueError, match="bfloat16"):
        export_onnx(dataclasses.replace(svdd, network=network))
    monkeypatch.setattr("gaussft_jax.deployment.onnx._MOST", 1000)
    with pytest.raises(ValueError, match="ONNX file at most"):
        export_onnx(svdd)


@pytest.mark.slow
def test_a_detector_that_set_itself_up(tmp_path):
    folder = write_photographs(tmp_path, "brick")
    good = read_images(list_images(folder / "train" / "good")[:10], 224, progress=False)
    tests = sorted((folder / "test").rglob("*.png"))[::5]
    detector = Detector.fit(good)
    images = read_images(tests, 224, progress=False)
    for run in runtimes(export_onnx(detector)):
        assert_equal(run(images), detector.predict(images), detector.calibration.rate())


def _metadata(model):
    (entry,) = onnx.load_from_string(model).metadata_props
    assert entry.key == "gaussft_jax"
    return json.loads(entry.value)
