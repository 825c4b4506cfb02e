"""`gaussft compare`: experiments and evaluations side by side."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "set experiments and evaluations side by side"
# How a file begins that an earlier comparison wrote.
_STARTS = {
    ".html": '<!DOCTYPE html>\n<html lang="en" data-page="comparison">',
    ".csv": "category,run,defect,",
    ".md": "# Comparison of ",
}


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folder of an experiment or an evaluation, of a detector with one, or of such "
        "folders; the first of each category is what the others are compared with",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="file to write: .html with pictures of where they disagree, .csv or .md",
    )


def run(options: Namespace) -> int:
    """Print the figures of experiments and evaluations, and how sure their difference is."""
    from gaussft_jax.comparison import (
        compare,
        console,
        csv_rows,
        markdown,
        read_runs,
        render_page,
        tables,
    )
    from gaussft_jax.files import check_apart, write_csv, write_text

    out = options.out
    kind = out.suffix.lower() if out else ""
    if out:
        _check(out, kind)
    runs = read_runs(options.folders)
    if out:
        check_apart(out, [run.folder for run in runs])
    compared = compare(runs)
    print(console(compared, tables(compared, compared.headlines)))
    if kind == ".html":
        write_text(out, render_page(compared))
    elif kind == ".csv":
        write_csv(out, csv_rows(compared))
    elif kind == ".md":
        write_text(out, markdown(compared, tables(compared, list(compared.figures))))
    if out:
        print(f"written: {out}")
    return 0


def _check(out: Path, kind: str) -> None:
    """Refuse a file of an unknown kind, or of somebody else."""
    from gaussft_jax.files import check_file

    if kind not in _STARTS:
        raise ValueError(f"{out} ends in none of {', '.join(_STARTS)}: name such a file")
    check_file(out)
    if out.is_file():
        start = _STARTS[kind].encode()
        with out.open("rb") as file:
            if file.read(len(start)) != start:
                raise ValueError(f"{out} is no earlier comparison: choose another file to write")
