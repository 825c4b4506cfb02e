"""What the parity tests and scripts/write_goldens share: random weights, an image, samples."""

import zlib
from pathlib import Path

import numpy as np

__all__ = ["CASES", "GOLDENS", "image", "random_variables", "sample"]

GOLDENS = Path(__file__).parent / "goldens.npz"
# backbone, and height and width of the image, pixels
CASES = [
    *(
        (n, s, s)
        for n in ("efficientnet-b0", "efficientnet-b4", "efficientnet-lite0")
        for s in (224, 157)
    ),
    *((n, s, s) for n in ("resnet18", "wide-resnet50-2") for s in (96, 157)),
    ("resnet18", 96, 160),
    *(("vit-s16", h, w) for h, w in ((224, 224), (160, 160), (256, 144))),
    ("deit-s16", 224, 224),
    *(("dinov2-s14", h, w) for h, w in ((518, 518), (224, 224), (224, 154))),
    *(("dinov2-s14-registers", h, w) for h, w in ((224, 224), (224, 154))),
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


def image(height: int, width: int) -> np.ndarray:
    """Two smooth random images, uint8 [2 height width 3]."""
    coarse = np.random.RandomState(7).randint(0, 256, (2, 8, 8, 3)).astype(np.float64)

    def between(size):
        at = np.linspace(0, 6.999, size)
        return at.astype(int), (at % 1)[:, None]

    (row, down), (column, right) = between(height), between(width)
    down = down[..., None]
    rows = coarse[:, row] * (1 - down) + coarse[:, row + 1] * down
    pixels = rows[:, :, column] * (1 - right) + rows[:, :, column + 1] * right
    return pixels.round().astype(np.uint8)


def sample(levels, count: int = 48) -> np.ndarray:
    """A few values of every level, each divided by the level's largest, float32 [levels count]."""
    rows = []
    for level in levels:
        values = np.asarray(level, np.float32).reshape(-1)
        step = max(1, len(values) // count)
        rows.append(values[::step][:count] / np.abs(values).max())
    return np.stack(rows)
