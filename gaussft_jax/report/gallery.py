"""The test images worth looking at: the most anomalous, and those the scores are unsure of."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Integer, UInt8
from PIL import Image

from gaussft_jax.evaluation import Scored
from gaussft_jax.report.overlays import coloured, heatmap_overlay, map_range, mask_outline

__all__ = ["Group", "LevelMaps", "Picture", "data_uri", "galleries", "shown"]

LevelMaps = Mapping[int, Sequence[Float32[np.ndarray, "_h _w"]]]

_SHOWN = 6  # images of a group
_SIDE = 320  # px of an embedded image, about twice the width it is shown at


class Picture(NamedTuple):
    """A test image as the page shows it.

    Attributes:
        name: `defect/file`.
        label: `good` or the name of the defect.
        score: image score, distance.
        p_value: as `evaluation.p_values`; None without calibration.
        rank: how it stands to the images of the other kind, a sentence; empty if there are none.
        outlined: whether the photograph has the outline of a mask.
        hottest: where the map is largest, as `upper left`.
        photograph: data URI.
        heatmap: data URI.
        levels: the distances of each level, data URIs; empty where they are not known.
    """

    name: str
    label: str
    score: float
    p_value: float | None
    rank: str
    outlined: bool
    hottest: str
    photograph: str
    heatmap: str
    levels: list[str]


class Group(NamedTuple):
    """Pictures under one heading, with a sentence that says how to read them."""

    title: str
    reading: str
    pictures: list[Picture]


def galleries(
    images: UInt8[np.ndarray, "n s s 3"],
    scored: Scored,
    p_values: Float[np.ndarray, " n"] | None = None,
    level_maps: LevelMaps | None = None,
) -> list[Group]:
    """The groups of the page; one without images (no good, or no defective ones) is left out.

    Args:
        images: test photographs, uint8 [n s s 3], in the order of `scored`.
        scored: the test images as one fold scored them.
        p_values: of the images, where there are any.
        level_maps: distances of each level, for the images of `shown`, by their index.
    """
    levels = _coloured_levels(level_maps or {})
    return [
        Group(title, reading, _pictures(chosen, images, scored, p_values, levels))
        for title, reading, chosen in _groups(scored)
    ]


def shown(scored: Scored) -> Integer[np.ndarray, " k"]:
    """The indices of the images that the page shows, rising."""
    return np.unique(np.concatenate([chosen for *_, chosen in _groups(scored)]))


def _groups(scored: Scored) -> list[tuple[str, str, Integer[np.ndarray, " k"]]]:
    falling = np.argsort(-scored.scores, kind="stable")
    bad = scored.defective[falling]
    groups = [
        (
            "Most anomalous",
            "The highest scores of all. Each should be a defect, and hot where the defect is.",
            falling,
        ),
        (
            "Doubtful: good, but scored high",
            "The good images with the highest scores: the first false alarms of a low threshold. "
            "Look for an unlabelled defect, or for a variation that training never showed.",
            falling[~bad],
        ),
        (
            "Doubtful: defective, but scored low",
            "The defective images with the lowest scores: the first misses of a high threshold. "
            "Look for defects too small or too faint to be seen at this size.",
            falling[bad][::-1],
        ),
    ]
    return [(title, reading, order[:_SHOWN]) for title, reading, order in groups if order.size]


def _coloured_levels(level_maps: LevelMaps) -> dict[int, list[str]]:
    """Each level over its own range, from its smallest to its largest value in all images.

    Levels of a single location, which say nothing of where, are left out.
    """
    level_maps = {
        i: [level for level in maps if level.shape != (1, 1)] for i, maps in level_maps.items()
    }
    by_level = list(zip(*level_maps.values(), strict=True))
    ranges = [(float(min(map(np.min, maps))), float(max(map(np.max, maps)))) for maps in by_level]
    return {
        i: [
            data_uri(coloured(level, low, high), "PNG")
            for level, (low, high) in zip(maps, ranges, strict=True)
        ]
        for i, maps in level_maps.items()
    }


def _pictures(
    chosen: Integer[np.ndarray, " k"],
    images: UInt8[np.ndarray, "n s s 3"],
    scored: Scored,
    p_values: Float[np.ndarray, " n"] | None,
    levels: Mapping[int, list[str]],
) -> list[Picture]:
    low, high = map_range(scored)
    pictures = []
    for i in chosen.tolist():
        photograph = images[i]
        outlined = scored.masks is not None and bool(scored.masks[i].any())
        if outlined:
            photograph = mask_outline(photograph, scored.masks[i])
        heatmap = heatmap_overlay(images[i], scored.maps[i], low, high)
        pictures.append(
            Picture(
                name=scored.names[i],
                label=scored.labels[i],
                score=float(scored.scores[i]),
                p_value=None if p_values is None else float(p_values[i]),
                rank=_rank(i, scored),
                outlined=outlined,
                hottest=_hottest(scored.maps[i]),
                photograph=data_uri(photograph),
                heatmap=data_uri(heatmap),
                levels=levels.get(i, []),
            )
        )
    return pictures


def _rank(i: int, scored: Scored) -> str:
    defective = scored.defective
    others = scored.scores[defective != defective[i]]
    if not others.size:
        return ""
    if defective[i]:
        return f"{(others > scored.scores[i]).sum()} of {len(others)} good images score higher"
    return f"{(others < scored.scores[i]).sum()} of {len(others)} defective images score lower"


def _hottest(map: Float32[np.ndarray, "s s"]) -> str:
    row, column = (3 * np.array(np.unravel_index(map.argmax(), map.shape))) // len(map)
    place = f"{('upper', '', 'lower')[row]} {('left', '', 'right')[column]}".strip()
    return place or "centre"


def data_uri(image: UInt8[np.ndarray, "h w 3"], kind: Literal["JPEG", "PNG"] = "JPEG") -> str:
    """The picture as a data URI, at most 320 pixels wide and high."""
    picture = Image.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.save(file, kind, quality=88, subsampling=0)  # full chroma: the outline stays sharp
    return f"data:image/{kind.lower()};base64,{b64encode(file.getvalue()).decode()}"
