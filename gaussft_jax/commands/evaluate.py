"""`gaussft evaluate`: a detector against labelled images."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path

HELP = "measure a detector on labelled images, make a report"
_WRITTEN = ("results.json", "scores.csv", "report.html")


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument(
        "folder",
        type=Path,
        help="category in any layout, or folder with good/ and one folder per defect",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for results.json, scores.csv and report.html",
    )
    parser.add_argument(
        "--at",
        choices=("image_size", "original"),
        default="image_size",
        help="where pixels are counted: at the size at which images are judged (the default), or "
        "on the masks as they are, with maps as large as the photographs",
    )


def forget(folder: Path) -> None:
    """Remove an evaluation, of a detector that is replaced; whatever else lies there stays."""
    from gaussft_jax.files import check_own

    with suppress(OSError, ValueError):  # it is no evaluation, or holds something else as well
        check_own(folder, _WRITTEN, "alpha")
        for name in _WRITTEN:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def run(options: Namespace) -> int:
    """Judge labelled images, measure, and make a report."""
    from gaussft_jax.data import read_images, read_labelled
    from gaussft_jax.detector import Detector
    from gaussft_jax.evaluation import write_scored
    from gaussft_jax.files import check_apart, check_file, check_own, write_json
    from gaussft_jax.report import shown, write_report
    from gaussft_jax.results import measure, read_truth, results_of

    category, read = read_labelled(options.folder)
    for note in category.notes:
        print(note, file=sys.stderr)
    for name in _WRITTEN:
        check_file(options.out / name)
        check_apart(options.out / name, read)
    check_own(options.out, _WRITTEN, "alpha")
    if (options.out / "config.json").exists():
        raise ValueError(f"{options.out} holds an experiment: choose another folder")
    detector = Detector.load(options.model)
    size = detector.image_size
    images = read_images([test.path for test in category.test], size, progress="read images")
    measured = measure(detector, images, *read_truth(category, size, options.at))
    fold = {"fold": 0, **measured.metrics, "notes": measured.notes}
    results = results_of(
        detector,
        options.folder.resolve().name,
        [fold],
        {"model": str(options.model), "folder": str(options.folder), "evaluate_at": options.at},
    )
    write_json(options.out / "results.json", results)
    write_scored(options.out, measured.scored, maps=False)
    chosen = shown(measured.scored)
    levels = detector.level_maps(images[chosen])
    report = write_report(
        options.out / "report.html",
        results=results,
        images=images,
        scored=measured.scored,
        p_values=measured.p_values,
        level_maps=dict(zip(chosen.tolist(), zip(*levels, strict=True), strict=True)),
    )
    for key, value in results["mean"].items():
        shown_value = f"{value:.2%}" if value is not None else f"- ({results['notes'][key]})"
        if interval := measured.metrics["interval"].get(key):
            shown_value += " (95 % interval: {:.2%} to {:.2%})".format(*interval)
        print(f"{key:>12}  {shown_value}")
    smallest = detector.smallest_rate or 0
    for row in measured.metrics["alpha"]:
        reason = ": the detector has no rate as small, hold more good images out"
        print(
            f"at a false-alarm rate of {row['alpha']:.0%}: {row['false_alarms']} of {row['good']} "
            f"good images raise an alarm, {row['missed']} of {row['defective']} defects are missed"
            f"{reason if row['alpha'] < smallest else ''}"
        )
    print(f"report: {report}")
    return 0
