"""The command `gaussft`: demo, fit, predict."""

import argparse
import json
import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 where something could not be done."""
    parser = argparse.ArgumentParser(
        prog="gaussft", description="Find defects in images after seeing only good ones."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="find defects in built-in photographs, make a report")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the results")
    demo.add_argument(
        "--photograph", default="brick", choices=("brick", "grass", "gravel"), help="of what"
    )
    demo.set_defaults(run=_demo)

    fit = commands.add_parser("fit", help="make a detector from a folder of good images")
    fit.add_argument("folder", type=Path, help="good images, or a category with train/good")
    fit.add_argument("--out", type=Path, required=True, help="folder for the detector")
    fit.add_argument("--backbone", default="efficientnet-lite0", help="default: %(default)s")
    fit.add_argument("--size", type=int, default=224, help="pixels, default: %(default)s")
    fit.add_argument(
        "--gaussian", default="tied", choices=("tied", "global", "local"), help="default: tied"
    )
    fit.add_argument("--aggregation", default="max", choices=("max", "mean"), help="default: max")
    fit.set_defaults(run=_fit)

    predict = commands.add_parser("predict", help="score images with a detector")
    predict.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    predict.add_argument("images", type=Path, nargs="+", help="image files, or folders of them")
    predict.add_argument(
        "--out", type=Path, required=True, help="folder for predictions.jsonl and heatmaps"
    )
    predict.set_defaults(run=_predict)

    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _demo(options) -> int:
    from gaussft_jax.configuration import default_config
    from gaussft_jax.data import write_photographs
    from gaussft_jax.experiment import train_and_evaluate

    config = default_config()
    config.data.root = str(options.out / "photographs")
    config.data.category = options.photograph
    config.folds = (0,)
    # A minute of tuning shows how it goes; the paper's recipe, configs/mvtec.py, takes longer.
    config.tune = True
    config.learning_rate = 1e-5
    config.max_epochs = 6
    config.patience = 3
    write_photographs(config.data.root, options.photograph)
    train_and_evaluate(config, options.out)
    return 0


def _fit(options) -> int:
    from gaussft_jax.data import list_images, read_images
    from gaussft_jax.models import Detector

    good = options.folder / "train" / "good"
    paths = list_images(good if good.is_dir() else options.folder)
    images = read_images(paths, options.size, progress="read images")
    detector = Detector.fit(images, options.backbone, options.gaussian, options.aggregation)
    detector.save(options.out)
    print(f"detector of {len(paths)} images: {options.out}")
    return 0


def _predict(options) -> int:
    import numpy as np
    from PIL import Image

    from gaussft_jax.data import ImageError, list_images, read_image
    from gaussft_jax.files import replacing
    from gaussft_jax.models import Detector
    from gaussft_jax.report import heatmap_overlay

    detector = Detector.load(options.model)
    paths = [
        path
        for given in options.images
        for path in (list_images(given) if given.is_dir() else [given])
    ]
    images, lines = {}, {}
    for path in paths:
        try:
            images[path] = read_image(path, detector.image_size)
        except (ImageError, OSError) as error:
            lines[path] = {"path": str(path), "error": str(error)}
            print(f"error: {error}", file=sys.stderr)
    if images:
        scores, maps = detector.predict(np.stack(list(images.values())))
        low, high = float(maps.min()), float(maps.max())
        for number, (path, image) in enumerate(images.items()):
            # Numbered, since images of different folders may have the same name.
            overlay = options.out / "heatmaps" / f"{number:05d}_{path.stem}.png"
            overlay.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(heatmap_overlay(image, maps[number], low, high)).save(overlay)
            lines[path] = {
                "path": str(path),
                "score": float(scores[number]),
                "heatmap": str(overlay.relative_to(options.out)),
            }
    with replacing(options.out / "predictions.jsonl") as beside:
        text = "".join(json.dumps(lines[path], ensure_ascii=False) + "\n" for path in paths)
        beside.write_text(text, encoding="utf-8")
    print(f"{len(images)} of {len(paths)} images scored: {options.out / 'predictions.jsonl'}")
    return 0 if len(images) == len(paths) else 1
