"""`gaussft export`: a detector as one program that needs JAX alone."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "write a detector as one StableHLO program"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--platforms",
        default="cpu,cuda,tpu",
        help="platforms to compile for, default: %(default)s",
    )


def run(options: Namespace) -> int:
    """Write a detector as one StableHLO program."""
    from gaussft_jax.export import export_detector
    from gaussft_jax.files import replacing
    from gaussft_jax.models import Detector

    detector = Detector.load(options.model)
    program = export_detector(detector, tuple(options.platforms.split(",")))
    with replacing(options.out) as beside:
        beside.write_bytes(program)
    size = detector.image_size
    print(
        f"{options.out}, {len(program) / 1e6:.0f} MB: images uint8 [n {size} {size} 3] -> "
        f"scores [n], maps [n {size} {size}]{', p-values [n]' if detector.calibration else ''}\n"
        "jax.export.deserialize(bytes).call(images) runs it; newer JAX reads it for six months"
    )
    return 0
