"""`gaussft demo`: a whole experiment on built-in photographs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "find defects in built-in photographs, make a report"

# A minute of tuning shows how it goes; the paper's recipe, configs/mvtec.py, takes longer.
EPOCHS = 6


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for the results"
    )
    parser.add_argument(
        "--photograph",
        default="brick",
        choices=("brick", "grass", "gravel"),
        help="which photograph",
    )


def run(options: Namespace) -> int:
    """Tune and evaluate on one fold."""
    from gaussft_jax.configuration import default_config
    from gaussft_jax.data import write_photographs
    from gaussft_jax.experiment import check_workdir, train_and_evaluate

    config = default_config()
    config.data.root = str(options.out / "photographs")
    config.data.category = options.photograph
    config.folds = (0,)
    config.tune = True
    config.learning_rate = 1e-5
    config.max_epochs = EPOCHS
    config.patience = 3
    check_workdir(options.out, config)
    if any(options.out.glob("*")) and not (options.out / "config.json").exists():
        raise ValueError(f"{options.out} holds something else: give another folder")
    write_photographs(config.data.root, options.photograph)
    train_and_evaluate(config, options.out)
    return 0
