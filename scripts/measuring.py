"""What the scripts that measure share: flags, processes of their own, times and tables."""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def parser(description: str) -> argparse.ArgumentParser:
    """Flags of a script, whose text is shown as it is."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def alone(*arguments: Any, **how: Any) -> list[str]:
    """The words that this script prints in a process of its own, given `--one` and `arguments`.

    Args:
        arguments: those behind `--one`.
        how: of the process, as for `subprocess.run`.
    """
    command = [sys.executable, sys.argv[0], *sys.argv[1:], "--one", *map(str, arguments)]
    return subprocess.run(
        command, stdout=subprocess.PIPE, check=True, text=True, **how
    ).stdout.split()


def heading(*names: str) -> None:
    """Print the head of a table in Markdown."""
    row(*names)
    print("|" + "---|" * len(names), flush=True)


def row(*cells: Any) -> None:
    """Print a line of it."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_memory() -> float:
    """What this process needed at most so far, bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
