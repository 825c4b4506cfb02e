"""What computed a result: versions of the packages, and the device."""

import platform
from importlib.metadata import version

import jax

__all__ = ["versions"]

_PACKAGES = ("gaussft_jax", "jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Version of every package that a figure can depend on, of Python, and the kind of device."""
    return {name: version(name) for name in _PACKAGES} | {
        "python": platform.python_version(),
        "device": jax.devices()[0].device_kind,
    }
