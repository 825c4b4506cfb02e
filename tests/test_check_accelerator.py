"""The script that checks an accelerator, in its smallest form on the CPU."""

import dataclasses
import json
import os
import threading
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import SimpleNamespace

import pytest
from conftest import REPOSITORY


@pytest.fixture(scope="module")
def script(tiny):
    path = REPOSITORY / "scripts" / "check_accelerator"
    loader = SourceFileLoader("check_accelerator", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    backbone, variables = tiny

    def load_backbone(name, weights, dtype):
        return dataclasses.replace(backbone, dtype=dtype), variables

    module.load_backbone = load_backbone
    module.keep_compilations = lambda: None
    module.QUICK = module.QUICK._replace(
        size=32, large_size=32, images=8, matrix=64, copied=2**16, training_batches=(2,)
    )
    return module


def run(script, folder, *arguments):
    status = script.main(["--quick", "--out", str(folder), *arguments])
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == status
    return status, {part["name"]: part for part in report["parts"]}


def test_what_it_finds_is_written(script, tmp_path, monkeypatch):
    strict = script.TOLERANCES | {"bfloat16": script.Tolerance(0, 0, 0, -1)}
    monkeypatch.setattr(script, "TOLERANCES", strict)
    chosen = ("machine", "parity", "forward", "devices")
    status, parts = run(script, tmp_path, *(f"--only={name}" for name in chosen))
    assert set(parts) == set(chosen)
    assert all(part["state"] == "done" and part["rows"] for part in parts.values())
    failed = [row for row in parts["parity"]["rows"] if row.get("passed") is False]
    assert status == 1
    assert len(failed) == 4 and {row["type"] for row in failed} == {"bfloat16"}
    errors = {(row["what"], row["type"]): row.get("error") for row in parts["parity"]["rows"]}
    # A CPU agrees with itself; half precision is really computed.
    assert errors["levels", "float32"] == errors["gradient of the loss", "float32"] == 0
    assert errors["levels", "bfloat16"] > 1e-4
    assert errors["gradient of the loss", "bfloat16"] > 1e-4
    (row, *_) = parts["forward"]["rows"]
    assert row["images/s"] * row["ms"] == pytest.approx(1e3 * row["batch"])
    assert row["GFLOP"] > 0 and row["of product, %"] > 0
    assert row["temporary, GB"] > 0
    text = (tmp_path / "report.md").read_text()
    assert "| pass |" in text and "| FAIL |" in text


@pytest.fixture
def parts(script, monkeypatch):
    """Parts in the place of the script's own."""

    def replace(**parts):
        monkeypatch.setattr(script, "PARTS", parts)

    return replace


def good(sizes):
    yield {"what": "good", "passed": True}


def test_a_part_that_raises_is_recorded_and_the_next_runs(script, tmp_path, parts):
    def bad(sizes):
        yield {"what": "first", "value": float("nan")}
        raise RuntimeError("no such kernel")

    parts(bad=bad, good=good)
    status, found = run(script, tmp_path)
    assert status == 1
    assert found["bad"]["error"] == "RuntimeError: no such kernel"
    assert found["bad"]["rows"] == [{"what": "first", "value": "nan"}]
    assert found["good"]["state"] == "done"
    assert "no such kernel" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(("error", "status"), [(1e-5, 0), (1e-3, 1), (float("nan"), 1)])
def test_a_line_beyond_its_tolerance_fails(script, tmp_path, parts, error, status):
    parts(parity=lambda sizes: [script._line("levels", "float32", error, 1e-4)])
    assert run(script, tmp_path)[0] == status
    assert ("FAIL" in (tmp_path / "report.md").read_text()) == bool(status)


def test_it_stops_at_the_time_limit(script, tmp_path, parts, monkeypatch):
    stopped, statuses = threading.Event(), []

    def leave(status):
        statuses.append(status)
        statuses.append(json.loads((tmp_path / "report.json").read_text()))
        stopped.set()

    def endless(sizes):
        yield {"what": "first"}
        assert stopped.wait(60)

    monkeypatch.setattr(os, "_exit", leave)
    parts(endless=endless, late=good)
    assert script.main(["--out", str(tmp_path), "--minutes", "0.01"]) == 0
    status, report = statuses
    assert status == 0
    assert [part["state"] for part in report["parts"]] == ["stopped at the time limit"]
    assert report["parts"][0]["rows"] == [{"what": "first"}]
    parts = json.loads((tmp_path / "report.json").read_text())["parts"]
    assert parts[1]["state"] == "no time left" and not parts[1]["rows"]


def test_shares_where_only_the_compiled_program_is_analysed(script):
    """JAX knows the cost of a lowered program on the CPU alone."""
    lowered = SimpleNamespace(cost_analysis=lambda: None)
    compiled = SimpleNamespace(cost_analysis=lambda: {"flops": 6e9, "bytes accessed": 1e9})
    peaks = script.Peaks({"float32": 10e9}, 10e9)
    row = script._shares(peaks, "float32", 1.0, lowered, compiled)
    assert (row["of product, %"], row["of copy, %"]) == (60, 10)
    assert row["bound by"] == "products"
