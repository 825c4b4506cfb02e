# PYTHON_ARGCOMPLETE_OK
"""The command `gaussft`: flags and exit status; what the commands do is in `commands`."""

import argparse
import os
import sys
from importlib.metadata import version

import argcomplete

from gaussft_jax.commands import COMMANDS

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit status, 1 where something could not be done."""
    try:
        return _run(arguments)
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="gaussft", description="Find defects in images after seeing only good ones."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = {*(arguments or sys.argv[1:]), *os.environ.get("COMP_LINE", "").split()}
    # Only who asks waits for it, and only he needs the package to be installed.
    told = version("gaussft_jax") if "--version" in words else ""
    parser.add_argument("--version", action="version", version=f"gaussft {told}")
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        its = commands.add_parser(name, help=command.HELP, description=command.run.__doc__)
        its.set_defaults(run=command.run)
        if name in words:  # some have to import jax to know what they understand
            command.arguments(its)
    argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    from gaussft_jax.compilation import keep_compilations  # imports jax, for which --help waits not

    keep_compilations()
    return options.run(options)
