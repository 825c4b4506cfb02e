"""`gaussft evaluate`: a detector against labelled images."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaussft_jax.evaluation import Scored
    from gaussft_jax.models import Prediction

HELP = "measure a detector on labelled images, make a report"
RATES = (0.01, 0.05, 0.1)


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument(
        "folder",
        type=Path,
        help="folder with good/ and one folder per defect, or a category with such a test/ and "
        "ground_truth/ in it",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for results.json, scores.csv and report.html",
    )


def run(options: Namespace) -> int:
    """Judge labelled images, measure, and make a report."""
    from gaussft_jax.data import read_images, read_masks, read_test
    from gaussft_jax.evaluation import Scored, evaluate, write_scored
    from gaussft_jax.files import write_json
    from gaussft_jax.models import Detector
    from gaussft_jax.report import shown, write_report
    from gaussft_jax.versions import versions

    detector = Detector.load(options.model)
    inside = options.folder / "test"
    tests = read_test(inside if inside.is_dir() else options.folder)
    size = detector.image_size
    images = read_images([test.path for test in tests], size, progress="read images")
    predicted = detector.predict(images, progress="judge")
    scored = Scored(
        tuple(test.name for test in tests),
        tuple(test.label for test in tests),
        predicted.scores,
        predicted.maps,
        read_masks(tests, size),
    )
    metrics, notes = evaluate(scored)
    rates = []
    if predicted.p_values is not None:
        rates = [_at(rate, predicted, scored) for rate in RATES]
    headline = {key: metrics[key] for key in ("image_auroc", "pixel_auroc", "aupro")}
    results = {
        "schema": 1,
        "category": options.folder.resolve().name,
        "method": "gaussian",
        "backbone": detector.backbone.name,
        "image_size": size,
        "gaussian": detector.kind,
        "aggregation": detector.aggregation,
        "tuned": detector.tuned,
        "folds": [{"fold": 0, **metrics}],
        "mean": headline,
        "alpha": rates,
        "notes": notes,
        "config": {"model": str(options.model), "folder": str(options.folder)},
        "versions": versions(),
    }
    write_scored(options.out, scored, maps=False)
    write_json(options.out / "results.json", results)
    chosen = shown(scored)
    levels = detector.level_maps(images[chosen])
    report = write_report(
        options.out / "report.html",
        results=results,
        images=images,
        scored=scored,
        p_values=predicted.p_values,
        level_maps=dict(zip(chosen.tolist(), zip(*levels, strict=True), strict=True)),
    )
    for key, value in headline.items():
        print(f"{key:>12}  " + (f"{value:.2%}" if value is not None else f"- ({notes[key]})"))
    for row in rates:
        print(
            f"at a false-alarm rate of {row['alpha']:.0%}: {row['false_alarms']} of {row['good']} "
            f"good images raise an alarm, {row['missed']} of {row['defective']} defects are missed"
        )
    print(f"report: {report}")
    return 0


def _at(alpha: float, predicted: "Prediction", scored: "Scored") -> dict[str, Any]:
    alarm, defective = predicted.defective(alpha), scored.defective
    return {
        "alpha": alpha,
        "good": int((~defective).sum()),
        "false_alarms": int((alarm & ~defective).sum()),
        "defective": int(defective.sum()),
        "missed": int((~alarm & defective).sum()),
    }
