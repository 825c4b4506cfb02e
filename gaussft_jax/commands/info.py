"""`gaussft info`: what a detector is."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "say what a detector is made of"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: Namespace) -> int:
    """Check the folder and print its description."""
    from gaussft_jax.detector import Detector
    from gaussft_jax.files import read_json

    detector = Detector.load(options.model)
    described = read_json(options.model / "detector.json")
    described["smallest_false_alarm_rate"] = detector.smallest_rate
    described["megabytes"] = round((options.model / "arrays.safetensors").stat().st_size / 1e6, 1)
    if options.json:
        print(json.dumps(described, indent=2))
    else:
        why = described.pop("set_up", {}).get("why", [])
        for field, value in [*described.items(), *(("chosen", reason) for reason in why)]:
            print(f"{field.replace('_', ' '):>25}  {value}")
    return 0
