"""`gaussft predict`: images judged by a detector, line by line, with pictures."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaussft_jax.models import Detector

HELP = "judge images with a detector"
DEFECTIVE = 3  # exit status

_CHUNK = 64  # images in memory at a time


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument("images", type=Path, nargs="+", help="image files, or folders of them")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for predictions.jsonl, heatmaps/ and, of defective images, masks/",
    )
    parser.add_argument(
        "--alpha",
        type=_rate,
        help="share of good images that may be called defective; default: 0.01, or the smallest "
        "that the detector can tell",
    )
    parser.add_argument(
        "--fail-on-defect",
        action="store_true",
        help=f"exit with status {DEFECTIVE} where an image is called defective",
    )


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ArgumentTypeError(f"{text} is no rate: give one between 0 and 1")
    return value


def run(options: Namespace) -> int:
    """Judge every image; one that cannot be read gets an error on its line, the others are judged.

    The status is 1 where an image could not be judged.
    """
    from tqdm import tqdm

    from gaussft_jax.data import list_images
    from gaussft_jax.files import replacing
    from gaussft_jax.models import Detector

    detector = Detector.load(options.model)
    alpha = options.alpha
    if detector.calibration:
        alpha = alpha or max(0.01, detector.smallest_rate)
        detector.pixel_threshold(alpha)  # refuses a rate that is too small, before any work
    elif alpha:
        raise ValueError(f"{options.model} is not calibrated: fit it without --calibrate=none")
    paths = [
        path
        for given in options.images
        for path in (list_images(given) if given.is_dir() else [given])
    ]
    # The hot end of all heatmaps; without calibration, the first images give it.
    high = 2 * float(detector.calibration.peaks.max()) if detector.calibration else None
    lines = []
    with (
        replacing(options.out / "predictions.jsonl") as beside,
        beside.open("w", encoding="utf-8", errors="backslashreplace") as file,
        tqdm(total=len(paths), desc="judge", unit=" images") as progress,
    ):
        for start in range(0, len(paths), _CHUNK):
            chunk, high = _judge(
                detector, paths[start : start + _CHUNK], start, alpha, high, options.out
            )
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in chunk)
            lines += chunk
            progress.update(len(chunk))
    failed = sum("error" in line for line in lines)
    defective = sum(line.get("decision") == "defective" for line in lines)
    print(f"{len(lines) - failed} of {len(lines)} images judged: {options.out}/predictions.jsonl")
    if detector.calibration:
        print(f"{defective} defective at a false-alarm rate of {alpha:.2%}")
    if failed:
        return 1
    return DEFECTIVE if defective and options.fail_on_defect else 0


def _judge(
    detector: "Detector",
    paths: Sequence[Path],
    first: int,
    alpha: float | None,
    high: float | None,
    out: Path,
) -> tuple[list[dict[str, Any]], float | None]:
    """A line for each image, in order, and the scale's hot end; the pictures are written."""
    import numpy as np
    from PIL import Image

    from gaussft_jax.data import ImageError, read_image
    from gaussft_jax.report import heatmap_overlay

    lines: list[dict[str, Any]] = [{"path": str(path)} for path in paths]
    images = {}
    for number, path in enumerate(paths):
        try:
            images[number] = read_image(path, detector.image_size)
        except (ImageError, OSError) as error:
            lines[number]["error"] = str(error)
            print(f"error: {error}", file=sys.stderr)
    if not images:
        return lines, high
    predicted = detector.predict(np.stack(list(images.values())))
    scores, maps, p_values = predicted
    defective = predicted.defective(alpha) if alpha else None
    high = high or float(maps.max())
    for row, (number, image) in enumerate(images.items()):
        line = lines[number]
        # Numbered, since images of different folders may have the same name.
        name = f"{first + number:05d}_{paths[number].stem}.png"
        pictures = {"heatmap": heatmap_overlay(image, maps[row], 0.0, high)}
        line["score"] = float(scores[row])
        if defective is not None:
            line["p_value"] = float(p_values[row])
            line["decision"] = "defective" if defective[row] else "good"
            if defective[row]:
                pictures["mask"] = maps[row] > detector.pixel_threshold(alpha)
        for kind, picture in pictures.items():
            path = out / f"{kind}s" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
            line[kind] = str(path.relative_to(out))
    return lines, high
