"""`gaussft predict`: images judged by a detector, line by line, with pictures."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gaussft_jax.commands.extras import extra

if TYPE_CHECKING:
    from gaussft_jax.inspection import Inspected

HELP = "judge images with a detector"
DEFECTIVE = 3  # exit status
MAPS = ("npy", "tiff")
STDIN = Path("-")
_LEVEL = 1  # of PNG: 6, Pillow's own, takes five times as long to write files a sixth smaller
_START = b'{"path": '  # of a line


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        help="image files, or folders of them; - reads paths from standard input, one a line, and "
        "judges each as it comes",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="look into the folders of folders as well"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="judge the images that come into the folders as well, each once, until Ctrl-C",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for predictions.jsonl, heatmaps/ and, of defective images, masks/, all as "
        "large as the photographs; with - or --watch, lines are added to predictions.jsonl",
    )
    parser.add_argument(
        "--maps",
        choices=MAPS,
        help="write the distance of every pixel, float32, into maps/ as well",
    )
    add_alpha(parser)
    parser.add_argument(
        "--fail-on-defect",
        action="store_true",
        help=f"exit with status {DEFECTIVE} where an image is called defective",
    )


def add_alpha(parser: ArgumentParser) -> None:
    """Add the false-alarm rate, as `Inspector.load` takes it."""
    parser.add_argument(
        "--alpha",
        type=rate,
        help="share of good images that may be called defective; default: 0.01, or the smallest "
        "that the detector can tell",
    )


def rate(text: str) -> float:
    """A rate, as an argument."""
    value = float(text)
    if not 0 < value < 1:
        raise ArgumentTypeError(f"{text} is no rate: give one between 0 and 1")
    return value


def run(options: Namespace) -> int:
    """Judge every image; one that cannot be read gets an error on its line, the others are judged.

    The status is 1 where an image could not be judged.
    """
    from tqdm import tqdm

    from gaussft_jax.data import skipped
    from gaussft_jax.files import check_apart, check_file, check_folder
    from gaussft_jax.inspection import Inspector

    if options.watch:
        with extra("serve"):
            import watchfiles  # noqa: F401
    given = [path for path in options.images if path != STDIN]
    folders = [path for path in given if path.is_dir()]
    if options.watch and not folders:
        raise ValueError("--watch has nothing to watch: give a folder that is there")
    appending = options.watch or STDIN in options.images
    if not appending and not any(path.exists() for path in given):
        raise FileNotFoundError(f"there is no {given[0]}: check the path")
    inspector = Inspector.load(options.model, options.alpha)
    # Pictures among the images would be judged the next time.
    check_apart(options.out, folders)
    pictures = [options.out / name for name in ("heatmaps", "masks", "maps")]
    for place in pictures:
        check_apart(place, [options.model, *given])
        check_folder(place)
    predictions = options.out / "predictions.jsonl"
    check_file(predictions)
    first, known = _earlier(predictions) if appending else (0, set())
    paths = chain.from_iterable(_paths(options, folders, known))
    if not appending:
        paths = list(paths)
    for folder in folders:
        if left_out := skipped(folder, options.recursive):
            print(f"{folder}: {left_out}", file=sys.stderr)

    def finish(inspected: "Inspected") -> dict[str, Any]:
        if appending:  # named only now
            try:
                for place in pictures:
                    check_apart(place, [inspected.path])
            except ValueError as error:
                inspected = inspected._replace(verdict=None, error=str(error))
        return _line(inspected, options.out, options.maps)

    counts = Counter()
    with (
        _opened(predictions, appending) as file,
        tqdm(total=None if appending else len(paths), desc="judge", unit=" images") as progress,
        suppress(*[KeyboardInterrupt] if options.watch else []),  # which is how watching ends
    ):
        for line in inspector.inspect(paths, finish, first):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            if "error" in line:
                progress.write(f"error: {line['error']}", file=sys.stderr)
                known.discard(line["path"])  # it comes again when it is changed
            counts["failed" if "error" in line else line.get("decision")] += 1
            progress.update()
    total, failed = counts.total(), counts["failed"]
    print(f"{total - failed} of {total} images judged: {predictions}")
    if inspector.alpha:
        print(f"{counts['defective']} defective at a false-alarm rate of {inspector.alpha:.2%}")
    else:
        print("no p-values and no decisions: the detector is not calibrated")
    if failed:
        return 1
    return DEFECTIVE if counts["defective"] and options.fail_on_defect else 0


def _paths(
    options: Namespace, folders: list[Path], known: set[str]
) -> Iterator[Iterable[Path | None]]:
    """The images of each argument; None among them where one of a stream is not there yet."""
    from gaussft_jax.data import list_images
    from gaussft_jax.inspection import named_images

    for path in options.images:
        if path == STDIN:
            yield named_images(sys.stdin.buffer)
        elif path not in folders:
            yield [path]
        elif not options.watch:
            yield list_images(path, options.recursive)
    if options.watch:
        from gaussft_jax.inspection.arrivals import arriving_images

        yield arriving_images(folders, options.recursive, known)


def _earlier(predictions: Path) -> tuple[int, set[str]]:
    """How many lines there are already, and their paths; half a line at the end is removed.

    Raises:
        ValueError: it is another kind of file.
    """
    count, paths = 0, set()
    if not predictions.exists():
        return count, paths
    whole = 0
    with predictions.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n") and line[: len(_START)] == _START[: len(line)]:
                file.truncate(whole)
                break
            try:
                paths.add(json.loads(line)["path"])
            except (ValueError, LookupError, TypeError) as error:
                raise ValueError(
                    f"{predictions}: line {count + 1} is no prediction; give another --out"
                ) from error
            whole += len(line)
            count += 1
    return count, paths


@contextmanager
def _opened(predictions: Path, appending: bool) -> Iterator[IO[str]]:
    """predictions.jsonl, to be added to, or to be replaced when all went well."""
    from gaussft_jax.files import replacing

    # A name that is no valid Unicode is written as an escape, which JSON reads.
    how = {"encoding": "utf-8", "errors": "backslashreplace"}
    if appending:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        with predictions.open("a", **how) as file:
            yield file
    else:
        with replacing(predictions) as beside, beside.open("w", **how) as file:
            yield file


def _line(inspected: "Inspected", out: Path, maps: str | None) -> dict[str, Any]:
    """What predictions.jsonl says of an image; its pictures are written."""
    import numpy as np
    from PIL import Image

    from gaussft_jax.files import file_name, replacing

    path, verdict = inspected.path, inspected.verdict
    if verdict is None:
        return {"path": str(path), "error": inspected.error}
    line = {"path": str(path), **verdict.said}
    written = {"heatmap": (verdict.heatmap, "png")}
    if verdict.mask is not None:
        written["mask"] = (verdict.mask, "png")
    if maps:
        written["map"] = (verdict.distances, maps)
    # Numbered, since images of different folders may have the same name.
    name = f"{inspected.number:05d}_{file_name(path.stem)}"
    for kind, (picture, form) in written.items():
        target = out / f"{kind}s" / f"{name}.{form}"
        with replacing(target) as beside, beside.open("wb") as file:
            if form == "npy":
                np.save(file, picture)
            else:  # TIFF takes no notice of the level
                Image.fromarray(picture).save(file, form, compress_level=_LEVEL)
        line[kind] = str(target.relative_to(out))
    return line
