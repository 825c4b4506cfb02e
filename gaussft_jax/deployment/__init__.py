"""A detector as a program that runs without this package."""

from gaussft_jax.deployment.onnx import export_onnx
from gaussft_jax.deployment.registry import TARGETS, target_of
from gaussft_jax.deployment.stablehlo import export_stablehlo
from gaussft_jax.deployment.target import Target

__all__ = ["TARGETS", "Target", "export_onnx", "export_stablehlo", "target_of"]
