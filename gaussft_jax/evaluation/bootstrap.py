"""How far a figure would move with other test images: AUROCs and PRO of resampled images."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from gaussft_jax.evaluation.pro import Maps, Masks, all_pixels, regions_of
from gaussft_jax.evaluation.roc import Undefined, check_classes
from gaussft_jax.evaluation.scored import Scored

__all__ = [
    "draw_images",
    "interval",
    "intervals",
    "resampled_aupro",
    "resampled_auroc",
    "resampled_pixel_auroc",
]

Draws = Int[np.ndarray, "b n"]

_THRESHOLDS = 1000  # of a PRO curve, more than half of them below a false positive rate of 0.3


def draw_images(defective: Bool[np.ndarray, " n"], draws: int = 1000, seed: int = 0) -> Draws:
    """How often each image is drawn, with replacement, as many good and as many defective ones.

    The same images give the same draws, so that two detectors can be compared in pairs: what
    `interval` says of the difference of their resampled figures.

    Args:
        defective: which images are, bool [n].
        draws: how many times n images are drawn, b.
        seed: of NumPy's generator.

    Returns:
        int64 [b n].
    """
    rng = np.random.default_rng(seed)
    times = np.zeros((draws, len(defective)), np.int64)
    for group in (defective, ~defective):
        if count := int(group.sum()):
            times[:, group] = rng.multinomial(count, np.full(count, 1 / count), draws)
    return times


def resampled_auroc(
    scores: Float[np.ndarray, " n"], defective: Bool[np.ndarray, " n"], draws: Draws
) -> Float[np.ndarray, " b"]:
    """Image AUROC of each draw, exact: one sort, then sums of how often images were drawn.

    Raises:
        Undefined: a class is empty.
    """
    check_classes(int(defective.sum()), int((~defective).sum()))
    good = np.sort(scores[~defective])
    below = np.zeros((len(draws), good.size + 1), np.int64)
    np.cumsum(draws[:, ~defective][:, np.argsort(scores[~defective])], axis=1, out=below[:, 1:])
    wins = sum(
        below[:, np.searchsorted(good, scores[defective], side)] for side in ("left", "right")
    )
    drawn = draws[:, defective]
    return (drawn * wins).sum(1) / (2 * drawn.sum(1) * below[:, -1])


def resampled_pixel_auroc(maps: Maps, masks: Masks, draws: Draws) -> Float[np.ndarray, " b"]:
    """Pixel AUROC of each draw, exact, from the pairs that any two images have between them.

    With W[i, j] the number of pairs of a defective pixel of i above a normal pixel of j, ties half,
    and images drawn w times, AUROC = w' W w / (w' P w' N). W takes about ten times as long as the
    one AUROC; the draws are quick then.

    Args:
        maps: anomaly maps, float32 [n h w], or n maps [h w] of any sizes, without NaN.
        masks: defective pixels, bool of the same shapes.
        draws: as `draw_images` gives them.

    Returns:
        float64 [b]; NaN for a draw without any defective pixel.

    Raises:
        Undefined: there is no defective or no normal pixel.
    """
    n = len(maps)
    defects, normals = _counted(masks)
    scores = np.concatenate([map[mask] for map, mask in zip(maps, masks, strict=True)])
    owners = np.repeat(np.arange(n), defects)
    order = np.argsort(scores)
    scores, owners = scores[order], owners[order]
    pairs = np.empty((n, n))
    for j in range(n):
        normal = np.sort(maps[j][~masks[j]])
        # The first defective pixel that a normal one does not exceed, and the first above it.
        firsts = [np.searchsorted(scores, normal, side) for side in ("left", "right")]
        beaten = np.bincount(np.concatenate(firsts), minlength=scores.size + 1).cumsum()[:-1]
        pairs[:, j] = np.bincount(owners, beaten, minlength=n) / 2
    with np.errstate(invalid="ignore"):
        return ((draws @ pairs) * draws).sum(1) / ((draws @ defects) * (draws @ normals))


def resampled_aupro(
    maps: Maps,
    masks: Masks,
    draws: Draws,
    limit: float = 0.3,
) -> Float[np.ndarray, " b"]:
    """`aupro` of each draw, from a curve through a thousand thresholds, all if there are no more.

    Images drawn w times have the false positive rate w' F / w' N and PRO w' C / w' R, with F the
    normal pixels and C the covered regions of each image at each threshold, N and R how many there
    are. The thresholds lie closer the lower the rate; the area is within 1e-3 of the exact one.

    Args:
        maps: anomaly maps, float32 [n h w], or n maps [h w] of any sizes, without NaN.
        masks: defective pixels, bool of the same shapes; a region is an 8-connected component.
        draws: as `draw_images` gives them.
        limit: false positive rate, in (0, 1].

    Returns:
        float64 [b]; NaN for a draw without any defective pixel.

    Raises:
        Undefined: there is no defective or no normal pixel.
    """
    _, normals = _counted(masks)
    thresholds = np.unique(all_pixels(maps))
    if thresholds.size > _THRESHOLDS:
        shares = 1 - np.linspace(0, 1, _THRESHOLDS) ** 2
        good = all_pixels(maps)[~all_pixels(masks)]
        thresholds = np.unique(np.quantile(good, shares, method="nearest"))
    thresholds = np.append(thresholds, np.float32(np.inf))[::-1]
    alarms, covered = np.zeros((2, len(maps), thresholds.size))
    regions = np.zeros(len(maps), int)
    for i in range(len(maps)):
        normal = np.sort(maps[i][~masks[i]])
        alarms[i] = normal.size - np.searchsorted(normal, thresholds)
        for scores, region, sizes in regions_of(maps[i : i + 1], masks[i : i + 1]):
            regions[i] = sizes.size
            missed = np.append(0, np.cumsum((1 / sizes)[region]))
            covered[i] = sizes.size - missed[np.searchsorted(scores, thresholds)]
    with np.errstate(invalid="ignore"):
        rate, pro = ((draws @ of) / (draws @ many)[:, None] for of, many in (
            (alarms, normals), (covered, regions)
        ))  # fmt: skip
    start, steps = rate[:, :-1], np.diff(rate)
    inside = np.clip(limit - start, 0, steps)  # how far each step goes before the limit
    share = np.divide(inside, steps, out=np.zeros_like(steps), where=steps > 0)
    return (inside * (pro[:, :-1] + share * np.diff(pro) / 2)).sum(1) / limit


def _counted(masks: Masks) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """How many defective and how many normal pixels each image has; none at all is Undefined."""
    defects = np.array([np.count_nonzero(mask) for mask in masks])
    normals = np.array([mask.size for mask in masks]) - defects
    check_classes(int(defects.sum()), int(normals.sum()))
    return defects, normals


def interval(values: Float[np.ndarray, " b"], level: float = 0.95) -> list[float]:
    """[low, high], percentiles of resampled figures or of their differences, NaNs left out."""
    return np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()


def intervals(scored: Scored) -> tuple[dict[str, Any], dict[str, str]]:
    """95 % intervals of the headline figures over other test images, and why one is None.

    Returns:
        [low, high] by the names of results.json, fractions, or None; and notes, {figure: reason}.
    """
    draws = draw_images(scored.defective)
    found, notes = {}, {}
    for name, compute in {
        "image_auroc": lambda: resampled_auroc(scored.scores, scored.defective, draws),
        "pixel_auroc": lambda: resampled_pixel_auroc(scored.maps, scored.known_masks, draws),
        "aupro": lambda: resampled_aupro(scored.maps, scored.known_masks, draws),
    }.items():
        try:
            found[name] = interval(compute())
        except Undefined as reason:
            found[name], notes[name] = None, str(reason)
    return found, notes
