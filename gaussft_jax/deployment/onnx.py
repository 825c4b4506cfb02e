"""A detector as one ONNX model, for ONNX Runtime, OpenVINO, browsers and whatever else reads it."""

import json
import logging
import warnings
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gaussft_jax.deployment.resizing import resizing
from gaussft_jax.deployment.target import Target, judging
from gaussft_jax.detector import Detector
from gaussft_jax.lowering import one_form

__all__ = ["TARGET", "export_onnx", "is_exported"]


_KEY = "gaussft_jax"  # of the metadata
_OPSET = 18  # what runtimes since 2023 read
_MOST = 2**31 - 2**24  # bytes of arrays: a file ends at 2 GiB


def export_onnx(detector: Detector, alpha: float | None = None, resize: bool = False) -> bytes:
    """The ONNX model: images, uint8 [B s s 3], to what `Detector.predict` says of them; B is free.

    Its outputs are `score`, float32 [B], and `map`, float32 [B s s]; of a calibrated detector also
    `p_value`, float32 [B], and `defective`, bool [B], the decision of `gaussft predict`. The JSON
    under `gaussft_jax` in the model's metadata says what is what (`describe`).

    Args:
        detector: fitted, computing in float32.
        alpha: false-alarm rate of the decision; None for `Calibration.rate`'s.
        resize: whether photographs of any size, uint8 [B h w 3], are resized inside, as Pillow does
            but for a grey level here and there.

    Raises:
        ValueError: packages are missing; a detector that computes in bfloat16, is too large for the
            format or cannot tell the rate.
    """
    onnx, to_onnx = _packages()
    _check(detector)
    size, calibration = detector.image_size, detector.calibration
    description = describe(detector, alpha, resize)
    judge = judging(detector)

    def decided(images):
        outputs = judge(images)
        if not calibration:
            return outputs
        # Half-way between two p-values, which are rounded.
        n = len(calibration.peaks)
        alarms = np.arange(1, n + 2) / (n + 1) <= description["false_alarm_rate"]
        return *outputs, outputs[2] <= np.float32((alarms.sum() + 0.5) / (n + 1))

    with one_form(True), _quiet():
        model = to_onnx(
            decided,
            [jax.ShapeDtypeStruct(("B", size, size, 3), jnp.uint8)],
            input_names=["images"],
            output_names=list(description["outputs"]),
            model_name="detector",
            opset=_OPSET,
        )
    if resize:
        before = onnx.parser.parse_model(resizing(size, _OPSET, model.ir_version))
        model = onnx.compose.merge_models(before, model, [("images", "images")])
    model.producer_name, model.producer_version = _KEY, version(_KEY)
    onnx.helper.set_model_props(model, {_KEY: json.dumps(description, ensure_ascii=False)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def describe(
    detector: Detector, alpha: float | None = None, resize: bool = False
) -> dict[str, Any]:
    """What the model's metadata say: inputs, outputs, units, and where the threshold lies.

    Args:
        detector: as for `export_onnx`, as are the others.
        alpha: false-alarm rate.
        resize: whether photographs are resized inside.
    """
    s = detector.image_size
    pixels = "RGB, grey levels 0..255, EXIF orientation applied"
    if resize:
        inputs = {"photographs": ["uint8", ["B", "h", "w", 3], pixels]}
    else:
        how = f"the whole photograph resized to {s} x {s} by Pillow's BILINEAR"
        inputs = {"images": ["uint8", ["B", s, s, 3], f"{pixels}, {how}"]}
    outputs = {
        "score": ["float32", ["B"], "distance of the image, by the method"],
        "map": ["float32", ["B", s, s], "distance of each pixel"],
    }
    decision = {}
    if detector.calibration:
        rate = detector.calibration.rate(alpha)
        outputs["p_value"] = ["float32", ["B"], "share of good images at least as anomalous"]
        outputs["defective"] = ["bool", ["B"], "whether p_value is at most false_alarm_rate"]
        decision = {
            "false_alarm_rate": rate,
            "smallest_false_alarm_rate": detector.smallest_rate,
            "pixel_threshold": detector.pixel_threshold(rate),
        }
    elif alpha:
        raise ValueError("the detector is not calibrated, so that no rate can be chosen")

    def named(arrays):
        fields = ("type", "shape", "meaning")
        return {name: dict(zip(fields, of, strict=True)) for name, of in arrays.items()}

    return {
        "version": version(_KEY),
        "method": detector.method.name,
        "options": detector.options,
        "backbone": detector.backbone.name,
        "image_size": s,
        "models": len(detector.models),
        "inputs": named(inputs),
        "outputs": named(outputs),
        **decision,
    }


def is_exported(path: str | Path) -> bool:
    """Whether a file is a model that `export_onnx` wrote."""
    onnx, _ = _packages()
    try:
        model = onnx.load(path)
    except Exception:  # of other bytes, protobuf raises nearly anything
        return False
    return any(entry.key == _KEY for entry in model.metadata_props)


def _packages():
    try:
        import onnx.compose
        import onnx.parser
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ValueError(f'ONNX needs more ({error}): pip install "gaussft_jax[onnx]"') from error
    return onnx, to_onnx


def _check(detector: Detector) -> None:
    if detector.backbone.dtype == "bfloat16":
        raise ValueError(
            "the detector computes in bfloat16, which runtimes of ONNX do not: fit it in float32"
        )
    arrays = jax.tree.leaves((detector.variables, detector.models))
    if (held := sum(array.nbytes for array in arrays)) > _MOST:
        raise ValueError(
            f"the detector holds {held / 1e9:.1f} GB, an ONNX file at most {_MOST / 1e9:.1f}: "
            "export it to StableHLO, or fit it to fewer images"
        )


@contextmanager
def _quiet():
    """Without what the converter says of types that it works out itself."""
    logger = logging.getLogger("onnx_ir")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


TARGET = Target(
    export_onnx,
    is_exported,
    ".onnx",
    ("alpha", "resize"),
    "onnxruntime.InferenceSession({file!r}).run(None, {{{input!r}: images}}) runs it; its metadata "
    "say more",
)
