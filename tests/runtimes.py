"""ONNX models in the runtimes that people have."""

import numpy as np
import onnxruntime
import openvino

__all__ = ["assert_equal", "runtimes"]


def runtimes(model):
    """Each runtime as a function from an array to what the model says of it, by name."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    core = openvino.Core()
    exactly = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model), "CPU", exactly)
    (given,) = session.get_inputs()

    def onnx_runtime(images):
        return dict(zip(names, session.run(None, {given.name: images}), strict=True))

    def open_vino(images):
        found = compiled(images)
        return {name: found[name] for name in names}

    return onnx_runtime, open_vino


def assert_equal(found, expected, alpha, close=1e-5):
    """What a runtime says of the first images is what `Detector.predict` says of all."""
    n = len(found["score"])
    for name, of in (("score", expected.scores), ("map", expected.maps)):
        np.testing.assert_allclose(found[name], of[:n], rtol=1e-5, atol=close * np.abs(of).max())
    np.testing.assert_allclose(found["p_value"], expected.p_values[:n], rtol=1e-6)
    np.testing.assert_array_equal(found["defective"], expected.defective(alpha)[:n])
