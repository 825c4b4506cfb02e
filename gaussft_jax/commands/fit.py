"""`gaussft fit`: from a folder of good images to a detector."""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from gaussft_jax.commands import evaluate

HELP = "make a detector from a folder of good images"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("folder", type=Path, help="good images, or a category with train/good")
    parser.add_argument("--out", type=Path, required=True, help="folder for the detector")
    parser.add_argument("--backbone", default="efficientnet-lite0", help="default: %(default)s")
    parser.add_argument("--weights", help="weight file, default: the known ImageNet weights")
    parser.add_argument("--size", type=int, default=224, help="pixels, default: %(default)s")
    parser.add_argument(
        "--gaussian", default="tied", choices=("tied", "global", "local"), help="default: tied"
    )
    parser.add_argument(
        "--aggregation", default="max", choices=("max", "mean"), help="default: max"
    )
    parser.add_argument(
        "--calibrate",
        default="auto",
        choices=("auto", "split", "cross", "none"),
        help="how good images are held out of the fit for p-values: a fifth, or each in turn; "
        "default: a fifth where that is enough for a false-alarm rate of 1 %%, else each in turn",
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="tune the network to the images as well: minutes to an hour on a CPU; goes on where "
        "it was when stopped",
    )
    parser.add_argument(
        "--test", type=Path, help="labelled images to evaluate on, into OUT/evaluation"
    )


def run(options: Namespace) -> int:
    """Make a detector from a folder of good images."""
    from gaussft_jax.data import list_images, read_images
    from gaussft_jax.models import Detector

    good = options.folder / "train" / "good"
    paths = list_images(good if good.is_dir() else options.folder)
    images = read_images(paths, options.size, progress="read images")
    chosen = {
        "backbone": options.backbone,
        "kind": options.gaussian,
        "aggregation": options.aggregation,
        "weights": options.weights,
    }
    if options.tune:
        if options.calibrate not in ("auto", "split"):
            raise ValueError("--tune calibrates by --calibrate split")
        checkpoints = options.out.with_name(f"{options.out.name}.tuning")
        detector = Detector.tune(images, checkpoints, **chosen)
        detector.save(options.out)
        shutil.rmtree(checkpoints)
    else:
        detector = Detector.fit(images, **chosen, calibrate=options.calibrate)
        detector.save(options.out)
    print(f"detector of {len(paths)} images: {options.out}")
    if detector.calibration:
        held_out, smallest = len(detector.calibration.peaks), detector.smallest_rate
        print(f"calibrated on {held_out} held-out images: false-alarm rates from {smallest:.2%} up")
    if options.test:
        evaluate.run(
            Namespace(model=options.out, folder=options.test, out=options.out / "evaluation")
        )
    return 0
