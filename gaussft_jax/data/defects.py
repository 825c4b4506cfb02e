"""Defects drawn on photographs, each with its exact mask."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

__all__ = ["DEFECTS", "hole", "misplaced_patch", "scratch", "stain"]

VISIBLE = 4  # grey levels by which every pixel of a mask differs from the untouched photograph
FAINTEST = 0.1  # opacity below which nothing is drawn

Drawn = tuple[UInt8[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]  # image, mask


def scratch(crop: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> Drawn:
    """The crop with a thin, slightly bent, tapering line, bright or dark; and its mask."""
    length = int(rng.uniform(0.25, 0.7) * len(crop))
    headings = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.06, length))
    path = np.cumsum(np.stack([np.sin(headings), np.cos(headings)], axis=1), axis=0)
    path += _place(crop, rng) - path.mean(axis=0)
    widths = rng.uniform(0.5, 1.4) * np.sin(np.linspace(0.15, np.pi - 0.15, length)) ** 0.5
    line = np.clip(0.5 + widths - _distances(crop, path), 0, 1).max(axis=-1)
    return _blend(crop, rng.uniform(0.6, 1) * line, crop + _tone(crop, rng, 1.3, 3.0))


def stain(crop: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> Drawn:
    """The crop with a soft darker or lighter blot through which its texture shows; and its mask."""
    centres = _place(crop, rng) + rng.normal(0, 0.06 * len(crop), (7, 2))
    widths = rng.uniform(0.02, 0.06, 7) * len(crop)
    blot = 1 - np.prod(1 - np.exp(-((_distances(crop, centres) / widths) ** 2) / 2), axis=-1)
    paint = crop * 0.35 if rng.random() < 0.6 else 255 - (255 - crop.astype(float)) * 0.45
    return _blend(crop, rng.uniform(0.35, 0.9) * blot, paint)


def hole(crop: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> Drawn:
    """The crop with a small, dark, ragged pit; and its mask."""
    centres = _place(crop, rng) + rng.normal(0, 0.02 * len(crop), (5, 2))
    radii = rng.uniform(0.012, 0.04, 5) * len(crop)
    pit = np.clip(0.5 + (radii - _distances(crop, centres)) / 1.5, 0, 1).max(axis=-1)
    return _blend(crop, rng.uniform(0.7, 1) * pit, crop * 0.15 + 10)


def misplaced_patch(crop: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> Drawn:
    """The crop with a piece of its own centre in it, turned and enlarged; and its mask."""
    rows, columns = np.indices(crop.shape)
    top, left = _place(crop, rng)
    half_height, half_width = rng.uniform(0.09, 0.2, 2) * len(crop)
    inside = np.minimum(half_height - abs(rows - top), half_width - abs(columns - left))
    margin = rng.uniform(0.12, 0.25) * len(crop)
    centre = (margin, margin, len(crop) - margin, len(crop) - margin)
    turned = Image.fromarray(np.rot90(crop)).resize(crop.shape, Image.Resampling.BICUBIC, centre)
    return _blend(crop, np.clip(inside / 2, 0, 1), turned + _tone(crop, rng, 0.2, 0.6))


DEFECTS = {draw.__name__: draw for draw in (hole, misplaced_patch, scratch, stain)}


def _place(crop: np.ndarray, rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    return rng.uniform(0.25, 0.75, 2) * len(crop)


def _tone(crop: np.ndarray, rng: np.random.Generator, least: float, most: float) -> float:
    """A step to brighter or darker, in grey levels; the bounds are in deviations of the crop."""
    return rng.choice([-1, 1]) * rng.uniform(least, most) * crop.std()


def _distances(
    crop: UInt8[np.ndarray, "h w"], points: Float[np.ndarray, "k 2"]
) -> Float[np.ndarray, "h w k"]:
    """From every pixel to every point, pixels."""
    pixels = np.moveaxis(np.indices(crop.shape), 0, -1)[:, :, None]
    return np.linalg.norm(pixels - points, axis=-1)


def _blend(
    crop: UInt8[np.ndarray, "h w"],
    opacity: Float[np.ndarray, "h w"],
    paint: Float[np.ndarray, "h w"],
) -> Drawn:
    """The crop under the paint, and the mask: exactly the pixels that changed.

    Where paint and crop happen to agree the pixel is moved by VISIBLE levels, so that a mask is a
    whole shape and not the speckle of chance.
    """
    mask = opacity >= FAINTEST
    change = opacity * (paint - crop)
    upwards = np.where(change < 0, crop < VISIBLE, crop <= 255 - VISIBLE)
    size = np.maximum(abs(change), VISIBLE)
    drawn = np.rint(np.clip(crop + np.where(upwards, size, -size), 0, 255)).astype(np.uint8)
    return np.where(mask, drawn, crop), mask
