"""The paper's two result figures from photographs and finished runs, with score and PRO curves."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer, UInt8
from matplotlib.figure import Figure

from gaussft_jax.data import AUTO, read_category, read_image, read_images, read_masks
from gaussft_jax.evaluation import Scored, pro_curve, read_scored
from gaussft_jax.files import read_json, replacing, write_text
from gaussft_jax.report import COLOURS, map_range, pro_figure, score_histogram
from gaussft_jax.reproduction.runs import name_of
from gaussft_jax.vicinity import draw, vicinity

__all__ = ["representative", "segmentation_figure", "vicinity_figure", "write_figures"]

_SCHEMES = {"augmix": "(a) AugMix", "confetti": "(b) Confetti", "cutout": "(c) CutOut"}
_DRAWS = 5
_SHOWN = 3  # successes, and as many failures


def vicinity_figure(image: UInt8[np.ndarray, "s s 3"], seed: int, severity: float) -> Figure:
    """Figure 2: the image beside several draws of each scheme; a red line surrounds a mask.

    Args:
        image: good photograph, uint8 [s s 3].
        seed: of the draws.
        severity: of AugMix.
    """
    figure = Figure(figsize=(2 * (1 + _DRAWS), 2 * len(_SCHEMES) + 0.4), layout="constrained")
    axes = figure.subplots(len(_SCHEMES), 1 + _DRAWS)
    axes[0, 0].set_title("input")
    images = jnp.stack([jnp.asarray(image)] * _DRAWS)
    for row, (name, label) in zip(axes, _SCHEMES.items(), strict=True):
        drawn, masks = draw(jax.random.key(seed), images, vicinity(name, severity))
        row[0].set_ylabel(label)
        row[0].imshow(image)
        for axis, augmented, mask in zip(
            row[1:], np.asarray(drawn), np.asarray(masks), strict=True
        ):
            axis.imshow(augmented)
            if not mask.all():
                axis.contour(mask, [0.5], colors="red", linewidths=0.8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return figure


def representative(scored: Scored) -> Integer[np.ndarray, " k"]:
    """Which test images Figure 3 shows: successes before failures, as the scores have it.

    Successes are the highest-scored images of the defects that are found best, one of each;
    failures the defective images with the lowest scores.
    """
    rising = np.argsort(scored.scores, kind="stable")
    defective = rising[scored.defective[rising]]
    best = {scored.labels[i]: i for i in defective}  # the last of each defect is its highest
    successes = sorted(best.values(), key=lambda i: -scored.scores[i])[:_SHOWN]
    failures = [i for i in defective if i not in successes][:_SHOWN]
    return np.array(successes + failures, int)


def segmentation_figure(
    images: UInt8[np.ndarray, "k s s 3"],
    scored: Scored,
    chosen: Integer[np.ndarray, " k"],
    title: str,
) -> Figure:
    """Figure 3: input, mask and heatmap of some images of a category, on its common scale.

    Args:
        images: the chosen photographs, uint8 [k s s 3].
        scored: all test images as one fold scored them.
        chosen: numbers of the images among those.
        title: of the figure.
    """
    low, high = map_range(scored)
    figure = Figure(figsize=(2 * len(chosen) + 0.8, 6.8), layout="constrained")
    axes = figure.subplots(3, len(chosen), squeeze=False)
    for column, image, i in zip(axes.T, images, chosen, strict=True):
        column[0].imshow(image)
        column[0].set_title(f"{scored.labels[i]}\n{scored.scores[i]:.3g}")
        column[1].imshow(scored.masks[i], cmap="gray", vmin=0, vmax=1)
        heat = column[2].imshow(scored.maps[i], cmap=COLOURS, vmin=low, vmax=high)
    for axis, label in zip(axes[:, 0], ("input", "mask", "heatmap"), strict=True):
        axis.set_ylabel(label)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.colorbar(heat, ax=axes[2], label="distance", shrink=0.9)
    figure.suptitle(title)
    return figure


def write_figures(
    out: str | Path, root: str | Path, categories: Sequence[str], layout: str = AUTO
) -> dict[str, Path]:
    """Write Figure 2, and for each category Figure 3, a histogram of scores and a PRO curve.

    Those of a category show the first fold of its tuned run, or of its frozen one while that is not
    finished; a category without either, or without masks, has none.

    Args:
        out: folder that `reproduce` was given.
        root: folder of the categories.
        categories: their names.
        layout: of theirs, as `data.read_category` takes it.

    Returns:
        Title and file of each figure written.
    """
    out, figures = Path(out), {}
    for category in categories:
        runs = [out / "runs" / name_of({"tune": tune}) / category for tune in (True, False)]
        done = next((run for run in runs if (run / "results.json").exists()), None)
        if done is None:
            continue
        results = read_json(done / "results.json")
        fold, size = results["config"]["folds"][0], results["image_size"]
        files = read_category(root, category, layout)
        if not figures:
            title = f"Figure 2. The vicinity of a photograph ({category})"
            figure = vicinity_figure(read_image(files.train[0], size), 0, 3.0)
            figures[title] = _save(figure, out / "figure2.png")
        masks = read_masks(files.test, size)
        if masks is None:
            continue
        scored = read_scored(done / f"fold{fold}", masks)
        chosen = representative(scored)
        images = read_images([files.test[i].path for i in chosen], size)
        title = f"{category}, {'tuned' if results['tuned'] else 'frozen'}, fold {fold}"
        figure = segmentation_figure(images, scored, chosen, title)
        path = out / f"figure3-{category}.png"
        figures[f"Figure 3. Successes and failures: {title}"] = _save(figure, path)
        fpr, pro, _ = pro_curve(scored.maps, scored.masks)
        for name, words, svg in (
            ("scores", "Image scores", score_histogram(scored.scores, scored.defective)),
            ("pro", "PRO curve", pro_figure(fpr, pro)),
        ):
            path = figures[f"{words}: {title}"] = out / f"{name}-{category}.svg"
            write_text(path, svg)
    return figures


def _save(figure: Figure, path: Path) -> Path:
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150, format="png")
    return path
