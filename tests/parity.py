"""What the parity tests and scripts/write_goldens share: random weights, an image, samples."""

import zlib
from pathlib import Path

import numpy as np

__all__ = ["CASES", "GOLDENS", "image", "random_variables", "sample"]

GOLDENS = Path(__file__).parent / "goldens.npz"
# backbone and size of the image, pixels
CASES = [
    (n, s) for n in ("efficientnet-b0", "efficientnet-b4", "efficientnet-lite0") for s in (224, 157)
]


def random_variables(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Random weights with non-trivial statistics, the same in every run and version of NumPy."""
    variables = {}
    for name, shape in shapes.items():
        random = np.random.RandomState(zlib.crc32(name.encode()))
        values = random.standard_normal(shape)
        kind = name.rsplit("/", 1)[1]
        if kind == "kernel":
            fan_in = np.prod(shape[:-1]) if "depthwise" not in name else np.prod(shape[:2])
            values *= (2 / fan_in) ** 0.5
        elif kind == "scale":
            values = 1 + 0.2 * values
        elif kind == "var":
            values = np.exp(0.3 * values)
        else:
            values *= 0.1
        variables[name] = values.astype(np.float32)
    return variables


def image(size: int) -> np.ndarray:
    """Two smooth random images, uint8 [2 size size 3]."""
    coarse = np.random.RandomState(7).randint(0, 256, (2, 8, 8, 3)).astype(np.float64)
    at = np.linspace(0, 6.999, size)
    low, fraction = at.astype(int), (at % 1)
    near, far = (1 - fraction)[:, None], fraction[:, None]
    rows = coarse[:, low] * near[..., None] + coarse[:, low + 1] * far[..., None]
    return (rows[:, :, low] * near + rows[:, :, low + 1] * far).round().astype(np.uint8)


def sample(levels, count: int = 48) -> np.ndarray:
    """A few values of every level, each divided by the level's largest, float32 [levels count]."""
    rows = []
    for level in levels:
        values = np.asarray(level, np.float32).reshape(-1)
        step = max(1, len(values) // count)
        rows.append(values[::step][:count] / np.abs(values).max())
    return np.stack(rows)
