"""Images that are put into folders, as they come; needs the extra `serve`."""

import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import watchfiles

from gaussft_jax.data import images_in, is_image

__all__ = ["arriving_images"]

_SETTLED = 1.0  # seconds
_WAKE = 250  # milliseconds


class _Written(NamedTuple):
    """Size and time of change of a file, and since when they are so."""

    state: tuple[int, int]
    since: float


def arriving_images(
    folders: Iterable[Path], recursive: bool, known: set[str]
) -> Iterator[Path | None]:
    """The images that are in folders and those that come, each once; None where none is there yet.

    An image is taken to be whole, and comes, when its size and its time of change have stayed as
    they are for a second. It never ends.

    Args:
        folders: to watch.
        recursive: whether their folders are watched as well.
        known: paths of images that do not come; each that comes is added. One that is removed again
            comes again once it is changed.
    """
    # The watcher may name a folder otherwise than it was given.
    given = {folder.resolve(): folder for folder in folders}
    writing: dict[Path, _Written | None] = {}

    def note(paths: Iterable[Path]) -> None:
        writing.update((path, None) for path in paths if str(path) not in known)

    changes = watchfiles.watch(
        *given,
        watch_filter=None,
        debounce=_WAKE,
        rust_timeout=_WAKE,
        yield_on_timeout=True,
        recursive=recursive,
    )
    changed = next(changes)  # no file is missed from here on
    for folder in given.values():
        note(images_in(folder, recursive))
    while True:
        for _, name in changed:
            note(_images(Path(name), given, recursive))
        for path in list(writing):
            if _is_whole(path, writing):
                known.add(str(path))
                yield path
        yield None
        changed = next(changes)


def _images(path: Path, given: dict[Path, Path], recursive: bool) -> Iterable[Path]:
    """The images that a change is about, named as the folders were given."""
    root = next(folder for folder in given if path.is_relative_to(folder))
    inside = path.relative_to(root)
    if any(part.startswith(".") for part in inside.parts):
        return ()
    path = given[root] / inside
    if path.is_dir():  # of a folder that is moved here whole, nothing else is told
        return images_in(path, recursive) if recursive else ()
    return (path,) if is_image(path) else ()


def _is_whole(path: Path, writing: dict[Path, _Written | None]) -> bool:
    """Whether nothing writes to a file any more; one that is, or is gone, is forgotten."""
    now = time.monotonic()
    try:
        found = path.stat()
    except OSError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        del writing[path]
        return False
    state = (found.st_size, found.st_mtime_ns)
    if writing[path] is None or writing[path].state != state:
        writing[path] = _Written(state, now)
        return False
    if now - writing[path].since < _SETTLED:
        return False
    del writing[path]
    return True
