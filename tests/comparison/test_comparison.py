"""What runs say side by side, in Python and on the command line."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gaussft_jax import cli
from gaussft_jax.comparison import compare, paired_difference, read_runs


def test_figures_are_those_of_results_json(tmp_path, write_run, scores):
    """Whatever they are called: the mean of every fraction over the folds."""
    a = write_run(tmp_path / "a", scores(1, folds=3), experiment=True)
    b = write_run(tmp_path / "b", scores(1))
    compared = compare(read_runs([a, b]))
    assert compared.figures == {
        "image_auroc": "Image AUROC",
        "aupro": "PRO",
        "new_figure": "new figure",
    }
    assert compared.headlines == ["image_auroc", "aupro"]
    for row, folder in zip(compared.rows, (a, b), strict=True):
        mean = json.loads((folder / "results.json").read_text())["mean"]
        assert row.figures["image_auroc"] == mean["image_auroc"]
        assert row.figures["aupro"] is None
    assert [row.figures["new_figure"] for row in compared.rows] == [0.25, 0.0]
    assert not compared.tallies and not compared.notes


def test_differences_are_paired_by_name(tmp_path, write_run, scores, names, defective, rng):
    first, second = scores(1, folds=2), scores(2)
    order = rng.permutation(len(names))
    labels = [name.split("/")[0] for name in names]
    a = write_run(tmp_path / "a", first, experiment=True)
    b = write_run(
        tmp_path / "b",
        second[:, order],
        names=[names[i] for i in order],
        labels=[labels[i] for i in order],
    )
    compared = compare(read_runs([a, b]))
    base, row = compared.rows
    assert (base.run, base.base, base.difference) == ("a", "", None)
    assert (row.run, row.base, row.images) == ("b", "a", len(names))
    assert row.difference == paired_difference(first, second, defective)
    assert row.difference.low < row.difference.value < row.difference.high


def test_defects_are_set_against_the_good_images(tmp_path, write_run, scores, names, defective):
    first, second = scores(1, folds=2), scores(2)
    write_run(tmp_path / "a", first, experiment=True)
    write_run(tmp_path / "b", second)
    defects = compare(read_runs([tmp_path])).defects
    assert [(row.defect, row.run) for row in defects] == [
        ("crack", "a"), ("crack", "b"), ("stain", "a"), ("stain", "b"),
    ]  # fmt: skip
    for row in defects:
        kept = np.array([name.split("/")[0] in ("good", row.defect) for name in names])
        given = first if row.run == "a" else second
        aurocs = [roc_auc_score(defective[kept], fold[kept]) for fold in given]
        assert row.figures["image_auroc"] == pytest.approx(np.mean(aurocs))
        assert row.images == sum(name.startswith(row.defect) for name in names)
        if row.run == "b":
            of = [x[:, kept] for x in (first, second)]
            assert row.difference == paired_difference(*of, defective[kept])


def test_wins_ties_and_losses_are_counted(tmp_path, write_run, scores, capsys):
    good, bad = scores(9), scores(-9)
    for category, second in (("bottle", good), ("pill", good), ("nut", bad), ("grid", None)):
        first = scores(0)
        second = first if second is None else second
        write_run(tmp_path / "a" / category, first, category=category)
        write_run(tmp_path / f"b-{category}" / "evaluation", second, category=category)
    alone = write_run(tmp_path / "a" / "wood", scores(1), category="wood")
    folders = [tmp_path / "a", *sorted(tmp_path.glob("b-*"))]
    compared = compare(read_runs(folders))
    assert compared.tallies == [("b-*", "a/*", 2, 1, 1)]
    assert cli.main(["compare", *map(str, folders)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["b-*", "against", "a/*", "2", "1", "1"] in lines
    auroc = json.loads((alone / "results.json").read_text())["mean"]["image_auroc"]
    assert ["wood", "a/*", f"{100 * auroc:.2f}", "-"] in lines  # a row of its own
    # The mean is over the four that both have.
    mean = np.mean([r.figures["image_auroc"] for r in compared.rows if r.run == "b-*"])
    assert ["mean", "of", "4", "b-*", f"{100 * mean:.2f}", "-"] in lines


def test_other_images_have_no_interval(tmp_path, write_run, scores, names, defective):
    first, second = scores(0), scores(3)
    labels = [name.split("/")[0] for name in names]
    a = write_run(tmp_path / "a", first)
    for folder, cut in (("b", slice(2, None)), ("c", slice(None))):
        renamed = [name.replace("028", "999") for name in names[cut]]
        b = write_run(tmp_path / folder, second[:, cut], names=renamed, labels=labels[cut])
        compared = compare(read_runs([a, b]))
        difference = compared.rows[1].difference
        expected = roc_auc_score(defective[cut], second[0, cut]) - roc_auc_score(
            defective, first[0]
        )
        assert difference == (pytest.approx(expected), None, None) and not difference.verdict
        (note,) = compared.notes
        same, missing = (26, 3) if folder == "b" else (28, 1)
        assert f"({same} are the same, 1 only here, {missing} only there)" in note
        assert "no interval" in note
        assert all(row.difference.low is None for row in compared.defects[1::2])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.unlink(), "scores.csv is missing"),
        (lambda path: path.write_text("image,label,score\n"), "no rows"),
        (lambda path: path.write_text("name,score\na,1\n"), "no table of image, label and score"),
        (lambda path: path.write_text("image,label,score\na,good,nan\n"), "not finite"),
        (lambda path: path.write_text("image,label,score\na,good,1\na,good,2\n"), "one name"),
        (lambda path: path.write_text("image,label,score\na,good,1\n"), "different images"),
    ],
)
def test_scores_that_cannot_be_used_are_said(tmp_path, write_run, scores, spoil, why):
    """The figures are compared all the same."""
    a = write_run(tmp_path / "a", scores(1))
    b = write_run(tmp_path / "b", scores(1, folds=2), experiment=True)
    spoil(b / "fold1" / "scores.csv")
    for folders in ([a, b], [b, a]):
        compared = compare(read_runs(folders))
        assert compared.rows[1].difference.low is None
        assert any(why in note for note in compared.notes)
        assert all(note.endswith("no interval") for note in compared.notes)


def test_scores_of_other_results_are_doubted(tmp_path, write_run, scores):
    for name, apart in (("a", 0), ("b", 9), ("c", 9)):
        write_run(tmp_path / name, scores(apart))
    (tmp_path / "c" / "scores.csv").write_bytes((tmp_path / "a" / "scores.csv").read_bytes())
    (note,) = compare(read_runs([tmp_path])).notes
    assert note.startswith("bottle, c: its scores give") and "results.json 100.00%" in note


def test_only_the_contract_is_needed(tmp_path, capsys):
    """By defect from results.json, where there are no scores; no figure where there is none."""
    for name, auroc in (("a", 0.5), ("b", None)):
        fold = {"fold": 0, "image_auroc": auroc, "by_defect": {"crack": {"image_auroc": auroc}}}
        results = {"category": "nut", "folds": [fold], "mean": {"image_auroc": auroc}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    compared = compare(read_runs([tmp_path / "a", tmp_path / "b"]))
    assert [row.figures for row in compared.defects] == [
        {"image_auroc": 0.5}, {"image_auroc": None},
    ]  # fmt: skip
    assert [row.difference for row in compared.rows] == [None, None]


def test_good_images_alone_have_no_interval(tmp_path, write_run, scores, names):
    for name in "ab":
        write_run(
            tmp_path / name, scores(1, labels=("good",) * 5), names=names[:5], labels=["good"] * 5
        )
    compared = compare(read_runs([tmp_path]))
    assert compared.rows[1].difference is None and not compared.defects
    assert "not tested on good and defective images" in compared.notes[0]


def test_csv_holds_fractions(tmp_path, write_run, scores, defective):
    first, second = scores(1), scores(1)
    a = write_run(tmp_path / "a", first)
    b = write_run(tmp_path / "b", second, method="=spade, tuned", tuned=True)
    out = tmp_path / "table.csv"
    assert cli.main(["compare", str(a), str(b), "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["defect"]) for row in rows] == [
        ("a", ""), ("b", ""), ("a", "crack"), ("b", "crack"), ("a", "stain"), ("b", "stain"),
    ]  # fmt: skip
    expected = paired_difference(first, second, defective)
    keys = ("image_auroc_difference", "low", "high")
    assert [float(rows[1][key]) for key in keys] == list(expected)
    assert rows[1]["verdict"] == expected.verdict and rows[1]["compared_with"] == "a"
    assert float(rows[1]["image_auroc"]) == roc_auc_score(defective, second[0])
    assert (rows[1]["method"], rows[1]["tuned"]) == ("=spade, tuned", "True")


def test_markdown_has_whole_tables(tmp_path, write_run, scores):
    a = write_run(tmp_path / "a|b", scores(1))
    b = write_run(tmp_path / "b", scores(1))
    out = tmp_path / "table.md"
    for _ in range(2):  # over its own
        assert cli.main(["compare", str(a), str(b), "--out", str(out)]) == 0
    text = out.read_text()
    assert text.startswith("# Comparison of 2 runs\n") and "a\\|b" in text
    for table in text.split("\n## ")[1:]:
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1 and len(lines) > 2


def test_mistakes_are_one_line(tmp_path, write_run, scores, capsys):
    a, b = (write_run(tmp_path / name, scores(1)) for name in "ab")
    (tmp_path / "half" / "fold0").mkdir(parents=True)
    (tmp_path / "half" / "config.json").write_text("{}")
    for name, text in (("broken", "{"), ("foreign", "[1]"), ("empty", '{"category": "nut"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(text)
    theirs = tmp_path / "theirs.md"
    theirs.write_text("# My notes")
    kept = (a / "results.json").read_bytes()
    for given, why in (
        ([a, tmp_path / "none"], "none is not a folder"),
        ([a, tmp_path / "half"], "half holds config.json, fold0 and no results.json"),
        ([a, tmp_path / "broken"], "results.json is broken"),
        ([a, tmp_path / "foreign"], "has no 'category'"),
        ([a, tmp_path / "empty"], "has no 'folds'"),
        ([a], "name a second folder"),
        ([a, b, a], "a comes twice"),
        ([a, b, "--out", tmp_path / "table.xlsx"], "ends in none of .html, .csv, .md"),
        ([a, b, "--out", theirs], "is no earlier comparison"),
        ([a, b, "--out", a / "table.csv"], "lie in one another"),
    ):
        assert cli.main(["compare", *map(str, given)]) == 1
        said = capsys.readouterr()
        assert said.err.startswith("error: ") and said.err.count("\n") == 1 and why in said.err
        assert not said.out
    assert theirs.read_text() == "# My notes" and (a / "results.json").read_bytes() == kept
    assert not (a / "table.csv").exists()
