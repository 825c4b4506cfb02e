"""Run an experiment: python -m gaussft_jax.main --config=FILE[:ARG] --workdir=DIR."""

from absl import app, flags, logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration file, FILE or FILE:ARG.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for results; created if missing.")


def main(arguments: list[str]) -> None:
    """Run the experiment and turn a known failure into one line."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}")
    from gaussft_jax.experiment import train_and_evaluate

    logging.set_verbosity(logging.WARNING)  # Orbax tells of every save
    try:
        train_and_evaluate(_CONFIG.value, _WORKDIR.value)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
