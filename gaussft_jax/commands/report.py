"""`gaussft report`: the pictures and the HTML page of an experiment, made again."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "make the report of a finished experiment again"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("workdir", type=Path, help="folder of the experiment, with results.json")


def run(options: Namespace) -> int:
    """Draw report.html and the overlays from what the experiment left; its images are needed."""
    from gaussft_jax.experiment import report_again

    report_again(options.workdir)
    return 0
