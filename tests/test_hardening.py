"""What a tired or unlucky user does: a clear line, and earlier results as they were."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from processes import LIMIT

REPOSITORY = Path(__file__).parents[1]


def _start(parts, workdir, *changes, limit=None):
    """A run of one fold as a process of its own; no file of it may be larger than limit KiB."""
    command = [
        sys.executable, "-m", "gaussft_jax.main",
        f"--config={REPOSITORY}/tests/small_config.py:bolt", f"--config.data.root={parts}",
        "--config.folds=0", f"--workdir={workdir}", *changes,
    ]  # fmt: skip
    if limit:  # Python takes no notice of SIGXFSZ, so writing fails as on a full disk
        command = ["bash", "-c", f'ulimit -f {limit} && exec "$@"', "bash", *command]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _end(process):
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def finished(parts, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "ein Ordner für 傷"
    code, _, err = _end(_start(parts, workdir))
    assert code == 0, err
    return workdir


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_leaves_earlier_results(parts, finished):
    before = _contents(finished)
    report = (finished / "report.html").stat().st_size
    # Done again: the fold's result fits, its maps do not.
    (finished / "fold0" / "result.json").unlink()
    code, _, err = _end(_start(parts, finished, limit=min(report // 1024, 48)))
    assert code == 1
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "File too large" in err
    after = _contents(finished)
    for name in ("results.json", "report.html", "fold0/maps.npy"):
        assert after[finished / name] == before[finished / name]
    assert not [path for path in after if path.name.endswith(".part")]
    code, _, err = _end(_start(parts, finished))
    assert code == 0, err
    results = json.loads((finished / "results.json").read_text())
    assert results["mean"] == json.loads(before[finished / "results.json"])["mean"]


def test_two_runs_in_one_folder(parts, finished, tmp_path):
    first = _start(parts, tmp_path)
    while not (tmp_path / "config.json").exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.02)
    code, _, err = _end(_start(parts, tmp_path))
    assert code == 1
    assert err.strip().splitlines()[-1].startswith(f"error: another run is at work in {tmp_path}")
    code, _, err = _end(first)
    assert code == 0, err


def test_ctrl_c_and_again(parts, finished, tmp_path):
    workdir = shutil.copytree(finished, tmp_path / "run")

    def written(name):
        return (workdir / name).stat().st_mtime_ns

    claimed, fold0 = written("config.json"), written("fold0/result.json")
    both_folds = "--config.folds=0,1"
    # Where the tests run in the background SIGINT is ignored, and a process inherits that.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = _start(parts, workdir, both_folds)
    signal.signal(signal.SIGINT, inherited)
    while written("config.json") == claimed:  # the network is loaded after it
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.02)
    while run.poll() is None:  # Python loses a signal that arrives in a destructor
        run.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            run.wait(2)
    code, _, err = _end(run)
    assert code == 130, err
    assert err.strip().splitlines()[-1] == "stopped; the same command goes on from here"
    assert err.count("Traceback") == err.count("Exception ignored")
    code, _, err = _end(_start(parts, workdir, both_folds))
    assert code == 0, err
    assert written("fold0/result.json") == fold0
    assert (workdir / "fold1" / "result.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(parts, tmp_path):
    tmp_path.chmod(0o500)
    code, _, err = _end(_start(parts, tmp_path / "run"))
    assert code == 1
    assert "Permission denied" in err.strip().splitlines()[-1]


def test_a_file_where_the_folder_should_be(parts, tmp_path):
    (tmp_path / "run").write_text("notes")
    code, _, err = _end(_start(parts, tmp_path / "run"))
    assert code == 1
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert (tmp_path / "run").read_text() == "notes"


def test_a_wrong_type(parts, tmp_path):
    code, _, err = _end(_start(parts, tmp_path, "--config.image_size=large"))
    assert code != 0
    assert "image_size" in err
