"""`gaussft fit`: from a folder of good images to a detector."""

import os
import re
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from gaussft_jax.commands import evaluate
from gaussft_jax.commands.networks import described

HELP = "make a detector from a folder of good images"

_LEAST_SIZE = 32  # pixels, of which the deepest level makes one
_DIGEST = "[0-9a-f]{32}"
_OF_TUNING = {"checkpoint", "metrics.jsonl"}


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    from gaussft_jax.detector import AUTO, PAPER_SIZE
    from gaussft_jax.methods import METHODS, OPTIONS

    parser.usage = "gaussft fit FOLDER --out OUT [options], of which --help tells"
    parser.add_argument("folder", type=Path, help="good images, or a category in any layout")
    parser.add_argument(
        "--recursive", action="store_true", help="look into the folders of the folder as well"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the detector: a new one, or that of a detector to replace",
    )
    parser.add_argument(
        "--method",
        default=AUTO,
        choices=(AUTO, *METHODS),
        help="what an anomaly is: gaussian is the paper's method, auto chooses methods and image "
        "size by the good images; default: auto",
    )
    parser.add_argument(
        "--budget",
        type=_budget,
        default=3.0,
        help="of auto: what judging an image may cost, in times the cost of the paper's detector; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--backbone",
        default="efficientnet-lite0",
        type=_backbone,
        help="the network; help lists them all; default: %(default)s",
    )
    parser.add_argument("--weights", help="weight file, default: the known ImageNet weights")
    parser.add_argument(
        "--size",
        type=_size,
        help=f"pixels, 0 for the network's own; default: {PAPER_SIZE}, or what auto chooses",
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
    group = parser.add_argument_group("options of the methods")
    for name, option in OPTIONS.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=option.type,
            choices=option.choices or None,
            help=f"{option.help} ({', '.join(option.methods)}); default: {option.default}",
        )


def _backbone(name: str) -> str:
    if name == "help":
        for network, description in described():
            print(f"{network:<28} {description}")
        raise SystemExit
    return name


def _budget(text: str) -> float:
    budget = float(text)
    if not budget > 0:
        raise ArgumentTypeError(f"{text} buys nothing: give a number above 0")
    return budget


def _size(text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise ArgumentTypeError(f"{text} is no whole number of pixels")
    size = int(text)
    if size and size < _LEAST_SIZE:
        raise ArgumentTypeError(f"{text} pixels are too few: give {_LEAST_SIZE} or more, or 0")
    return size


def _method(options: Namespace) -> Any:
    """The method, with its options, or `auto`, which has none."""
    from gaussft_jax import methods
    from gaussft_jax.detector import AUTO

    given = {name: getattr(options, name) for name in methods.OPTIONS}
    chosen = {name: value for name, value in given.items() if value is not None}
    if options.method == AUTO and chosen:
        flag = next(iter(chosen))
        owners = ", ".join(methods.OPTIONS[flag].methods)
        raise ValueError(
            f"--{flag.replace('_', '-')} belongs to a method ({owners}): name it by --method"
        )
    return AUTO if options.method == AUTO else methods.create(options.method, **chosen)


def run(options: Namespace) -> int:
    """Make a detector from a folder of good images."""
    from gaussft_jax.backbones import create
    from gaussft_jax.data import read_good, read_images, read_labelled
    from gaussft_jax.detector import AUTO, PAPER_SIZE, Detector, tunable_part
    from gaussft_jax.files import check_apart, check_folder, check_replaceable
    from gaussft_jax.training import GUARDED

    method = _method(options)
    backbone = create(options.backbone)
    backbone.check_size(options.size or 0)
    if options.tune and method != AUTO:
        tunable_part(method)
    good, read = read_good(options.folder, options.recursive)
    if options.test:
        read += read_labelled(options.test).sources
    check_folder(options.out)
    check_replaceable(options.out, Detector.MARKER)
    check_apart(options.out, read)
    out = Path(os.path.realpath(options.out))
    checkpoints = out.with_name(f"{out.name}.tuning")
    resumable = options.tune or (method != AUTO and method.learns)
    if resumable:
        check_folder(checkpoints)
        check_apart(checkpoints, read)

    paths = good.train
    for note in good.notes:
        print(note, file=sys.stderr)
    size = options.size
    if size is None:
        size = backbone.nearest_size(PAPER_SIZE)
        if method == AUTO:
            asked = options.backbone, options.calibrate, options.budget
            size = Detector.auto_image_size(len(paths), *asked)
    images = read_images(paths, size or backbone.image_size, progress="read images")
    detector = Detector.fit(
        images,
        method,
        backbone=options.backbone,
        weights=options.weights,
        recipe=GUARDED if options.tune else None,
        folder=checkpoints,
        calibrate=options.calibrate,
        budget=options.budget,
    )
    detector.save(options.out)
    evaluate.forget(options.out / "evaluation")
    if resumable:
        _forget(checkpoints)
    print(f"detector of {len(paths)} images: {options.out}")
    for line in (detector.set_up or {}).get("why", []):
        print(f"  {line}")
    if detector.calibration:
        held_out, smallest = len(detector.calibration.peaks), detector.smallest_rate
        print(f"calibrated on {held_out} held-out images: false-alarm rates from {smallest:.2%} up")
    else:
        print("not calibrated: no p-values and no decisions, only scores and maps")
    if options.test:
        out = options.out / "evaluation"
        evaluate.run(Namespace(model=options.out, folder=options.test, out=out, at="image_size"))
    return 0


def _forget(checkpoints: Path) -> None:
    """Remove what tuning and learning left under the names of digests, nothing else."""
    for path in checkpoints.glob("*"):
        if path.is_symlink():
            continue
        if re.fullmatch(rf"\.?{_DIGEST}\.safetensors(\..*\.part)?", path.name):
            path.unlink()
        elif re.fullmatch(_DIGEST, path.name) and {x.name for x in path.iterdir()} <= _OF_TUNING:
            shutil.rmtree(path)
    with suppress(OSError):  # none was needed, or it holds something else, which stays
        checkpoints.rmdir()
