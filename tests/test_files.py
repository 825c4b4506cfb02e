import csv
import json
import os

import pytest

from gaussft_jax import files

NAME = os.fsdecode(b"crack/\xff.png")  # a file name that is no valid UTF-8


def test_a_name_that_is_no_unicode_costs_no_result(tmp_path):
    files.write_json(tmp_path / "a.json", {NAME: 1})
    assert files.read_json(tmp_path / "a.json") == {NAME: 1}
    files.write_csv(tmp_path / "a.csv", [("image", "score"), (NAME, 0.5)])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["image", "score"], ["crack/\\udcff.png", "0.5"]]


def test_nan_is_refused_and_leaves_the_earlier_file(tmp_path):
    files.write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", [float("nan")])
    assert json.loads((tmp_path / "a.json").read_text()) == [1]
    assert len(list(tmp_path.iterdir())) == 1
