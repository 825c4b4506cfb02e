"""Several processes as one run, by JAX's own distributed runtime."""

import functools
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

__all__ = ["abort_on_error", "broadcast", "initialize", "is_primary"]

# Seconds without a sign of life after which a process counts as dead, and the run with it.
_HEARTBEAT = 30


def initialize(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    cluster: bool = False,
) -> None:
    """Join the other processes of this run; call it before anything is computed.

    Without arguments the run is this process alone.

    Args:
        coordinator: HOST:PORT of process 0.
        processes: how many there are.
        process_id: number of this one, from 0.
        cluster: ask the environment for all three (SLURM, Open MPI, TPU pods), as
            `jax.distributed.initialize` does.

    Raises:
        ValueError: only some of the three are given, or they do not fit together.
    """
    given = (coordinator, processes, process_id)
    if not cluster:
        if all(value is None for value in given):
            return
        if any(value is None for value in given):
            raise ValueError(
                f"coordinator={coordinator}, processes={processes}, process_id={process_id}: "
                "give all three, or --cluster to have them found"
            )
        if not 0 <= process_id < processes:
            raise ValueError(f"process_id={process_id}: {processes} processes count from 0")
    jax.distributed.initialize(*given, heartbeat_timeout_seconds=_HEARTBEAT)
    if not is_primary():
        _draw_no_bars()  # one for all


def _draw_no_bars() -> None:
    """Every later progress bar of this process stays hidden, whatever its arguments.

    $TQDM_DISABLE would come too late: tqdm reads it when it is imported.
    """
    shown = tqdm.__init__

    @functools.wraps(shown)
    def hidden(self, *arguments, **options):
        shown(self, *arguments, **{**options, "disable": True})

    tqdm.__init__ = hidden


def is_primary() -> bool:
    """Whether this process is the one that writes and prints."""
    return jax.process_index() == 0


def broadcast(answer: bool) -> bool:
    """The first process's answer, in every process, so that all take the same way."""
    if jax.process_count() == 1:
        return answer
    return bool(multihost_utils.broadcast_one_to_all(np.array(answer)))


@contextmanager
def abort_on_error() -> Iterator[None]:
    """Ends this process at once when it fails, so that the others are not left waiting for it.

    A process that leaves politely waits for the others to leave with it, and they for its part
    of the sum; one that is gone is noticed. Alone, it changes nothing.
    """
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        if isinstance(error, SystemExit):
            print(error, file=sys.stderr)
        else:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
