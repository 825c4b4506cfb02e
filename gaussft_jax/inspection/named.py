"""Images that a stream names, one a line."""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["named_images"]

_AHEAD = 1000  # lines


def named_images(lines: Iterable[bytes]) -> Iterator[Path | None]:
    """The path of each line as soon as it is there; None where there is none yet.

    Empty lines count for nothing.
    """
    ahead: queue.Queue[bytes] = queue.Queue(_AHEAD)

    def read():
        for line in lines:
            ahead.put(line)
        ahead.put(b"")  # no line is that empty

    # A daemon: nothing but the end of the process ends a thread that waits for a stream.
    threading.Thread(target=read, daemon=True).start()
    while True:
        if ahead.empty():
            yield None
        line = ahead.get()
        if not line:
            return
        if name := line.rstrip(b"\r\n"):
            yield Path(os.fsdecode(name))
