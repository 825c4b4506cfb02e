"""`gaussft export`: a detector as one program that does without this package."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gaussft_jax.commands.predict import rate

HELP = "write a detector as one StableHLO program or ONNX model"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    from gaussft_jax.deployment import TARGETS

    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--format", choices=TARGETS, help="default: onnx for FILE.onnx, stablehlo for any other"
    )
    parser.add_argument(
        "--platforms",
        type=lambda text: tuple(text.split(",")),
        help="stablehlo: platforms to compile for, default: cpu,cuda,tpu",
    )
    parser.add_argument(
        "--alpha", type=rate, help="onnx: false-alarm rate, default: as for `gaussft predict`"
    )
    parser.add_argument(
        "--resize",
        action="store_true",
        default=None,
        help="onnx: take photographs of any size, and resize them inside",
    )


def run(options: Namespace) -> int:
    """Write a detector as one StableHLO program or ONNX model."""
    from gaussft_jax.deployment import TARGETS, target_of
    from gaussft_jax.detector import Detector
    from gaussft_jax.files import check_apart, check_file, replacing

    check_file(options.out)
    check_apart(options.out, [options.model])
    name = options.format or target_of(options.out)
    target = TARGETS[name]
    given = {
        option: getattr(options, option)
        for option in sorted({option for other in TARGETS.values() for option in other.options})
        if getattr(options, option) is not None
    }
    if unknown := sorted(given.keys() - set(target.options)):
        raise ValueError(f"--{unknown[0]} is no option of the format {name}")
    if options.out.is_file() and not target.is_exported(options.out):
        raise ValueError(f"{options.out} is no exported detector: choose another file to write")
    detector = Detector.load(options.model)
    program = target.export(detector, **given)
    with replacing(options.out) as beside:
        beside.write_bytes(program)
    size = detector.image_size
    name, sides = ("photographs", "h w") if options.resize else ("images", f"{size} {size}")
    use = target.use.format(file=str(options.out), input=name)
    print(
        f"{options.out}, {len(program) / 1e6:.0f} MB: {name} uint8 [n {sides} 3] -> scores [n], "
        f"maps [n {size} {size}]{', p-values [n]' if detector.calibration else ''}\n{use}"
    )
    return 0
