"""All formats of exported detectors by name: a format is a file of this folder and a line here."""

from pathlib import Path

from gaussft_jax.deployment import onnx, stablehlo
from gaussft_jax.deployment.target import Target

__all__ = ["TARGETS", "target_of"]


TARGETS: dict[str, Target] = {"stablehlo": stablehlo.TARGET, "onnx": onnx.TARGET}


def target_of(path: Path) -> str:
    """The name of the format that a file's name tells, or the one for any other."""
    suffixes = {target.suffix: name for name, target in TARGETS.items()}
    return suffixes.get(path.suffix.lower(), suffixes[""])
