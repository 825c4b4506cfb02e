"""Run an experiment: python -m gaussft_jax.main --config=FILE[:ARG] --workdir=DIR."""

import os
import sys

from absl import app, flags, logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Configuration file, FILE or FILE:ARG; --config.FIELD=VALUE changes a field.",
    lock_config=True,
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    os.environ.get("JAX_COORDINATOR_ADDRESS"),
    "HOST:PORT of process 0, in a run of several processes.",
)
_PROCESSES = flags.DEFINE_integer(
    "processes", os.environ.get("JAX_NUM_PROCESSES"), "How many processes the run has."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", os.environ.get("JAX_PROCESS_ID"), "Number of this process, from 0."
)
_CLUSTER = flags.DEFINE_bool(
    "cluster",
    False,
    "Find coordinator, processes and process_id in the environment: SLURM, Open MPI, TPU pods.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for results; created if missing.")


def main(arguments: list[str]) -> None:
    """Run the experiment and turn a known failure into one line."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}")
    from gaussft_jax import parallel
    from gaussft_jax.compilation import keep_compilations
    from gaussft_jax.experiment import train_and_evaluate

    logging.set_verbosity(logging.WARNING)  # Orbax tells of every save
    keep_compilations()
    with parallel.abort_on_error():
        try:
            given = _COORDINATOR.value, _PROCESSES.value, _PROCESS_ID.value
            parallel.initialize(*given, _CLUSTER.value)
            train_and_evaluate(_CONFIG.value, _WORKDIR.value)
        except (ValueError, OSError, ArithmeticError) as error:
            raise SystemExit(f"error: {error}") from error
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr)
            raise SystemExit(130) from None


def _parsed(arguments: list[str]) -> list[str]:
    """The flags; a configuration that is not there or has no such field is one line as well."""
    try:
        rest = app.parse_flags_with_usage(arguments)
        getattr(_CONFIG.value, "data", None)  # raises where there is no such file
    except AttributeError as error:
        reason = str(error).replace("\\n", ". ").replace("\\", "").replace("'", "")
        raise SystemExit(f"error: the configuration has no field {reason}") from error
    except OSError as error:
        raise SystemExit(f"error: {error}") from error
    return rest


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main, flags_parser=_parsed)
