"""Images judged by a local Ray with two actors: each once, whatever dies."""

import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gaussft_jax.detector import Detector
from gaussft_jax.inspection import Inspector

ray = pytest.importorskip("ray", reason="pip install 'gaussft_jax[ray]'")
parquet = pytest.importorskip("pyarrow.parquet")
# Ray's own, of which nothing is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

ALPHA = 0.5


@pytest.fixture(scope="module")
def model(stripes, tmp_path_factory):
    """The folder of a detector that is quickly compiled."""
    folder = tmp_path_factory.mktemp("models") / "stripes"
    Detector.fit(stripes[:10], "deep_svdd", calibrate="split").save(folder)
    return folder


@pytest.fixture(scope="module")
def bulk():
    """The module, while a Ray of two slots runs on this machine."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # else its workers wait for whatever else runs
        from gaussft_jax.inspection import bulk

        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield bulk
        ray.shutdown()


@pytest.fixture
def paths(tmp_path, rng):
    """Twelve photographs; the fourth is broken."""
    paths = [tmp_path / "parts" / f"{i:02d}.png" for i in range(12)]
    paths[0].parent.mkdir()
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (40, 70, 3), np.uint8)).save(path)
    paths[3].write_bytes(paths[3].read_bytes()[:100])
    return paths


def watched(folder, die=False):
    """A `Judge` that notes which images it judges; the first of all dies with a batch in hand."""

    class Watched:
        def __init__(self, *given):
            from gaussft_jax.inspection.bulk import Judge  # the real one, in an actor

            self.judge = Judge(*given)

        def __call__(self, images):
            if die and not (folder / "died").exists():
                (folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            judged = self.judge(images)
            for name in images["path"].to_pylist():
                with (folder / f"{Path(name).name}.judged").open("a") as file:
                    file.write("once\n")
            return judged

    return Watched


def written(out):
    rows = parquet.read_table(out / "predictions").to_pylist()
    return {Path(row["path"]).name: row for row in rows}, len(rows)


def judged_times(folder):
    return {
        path.name.removesuffix(".judged"): len(path.read_text().splitlines())
        for path in folder.glob("*.judged")
    }


def test_an_actor_that_dies_costs_no_image(bulk, model, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "Judge", watched(tmp_path, die=True))
    found = bulk.judge_all(model, paths, tmp_path / "out", ALPHA, actors=2)
    assert (tmp_path / "died").exists()
    rows, count = written(tmp_path / "out")
    assert count == found.count() == len(rows) == 12
    # What `predict` says of them, but for a rounding by the size of the batch.
    for inspected in Inspector.load(model, ALPHA).inspect(paths, lambda x: x):
        row = rows[inspected.path.name]
        if inspected.error:
            assert row["error"] == inspected.error and row["score"] is None
            continue
        assert row["error"] is None
        said = inspected.verdict.said
        assert row["score"] == pytest.approx(said["score"], rel=1e-5)
        assert row["p_value"] == said["p_value"] and row["decision"] == said["decision"]
        boxes = [region["box"] for region in row["regions"] or []]
        assert boxes == [region["box"] for region in said.get("regions", [])]
    assert "03.png" in rows["03.png"]["error"]


def test_what_was_written_is_not_judged_again(bulk, model, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "Judge", watched(tmp_path))
    out = tmp_path / "out"
    bulk.judge_all(model, paths[:6], out, ALPHA, actors=2)
    before, _ = written(out)
    # As a machine leaves it that stops while a file is written: announced, and half there.
    announced, *_ = (out / "progress").glob("*.parquet")
    (out / "progress" / "half.pending.parquet").write_bytes(announced.read_bytes())
    (out / "predictions" / "half-0.parquet").write_bytes(b"PAR1 and no more")
    bulk.judge_all(model, paths, out, ALPHA, actors=2)
    rows, count = written(out)
    assert count == len(rows) == 12
    assert {name: rows[name] for name in before} == before
    assert judged_times(tmp_path) == {path.name: 1 for path in paths}


def test_another_detector_or_rate_gets_another_folder(bulk, model, paths, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(ValueError, match="holds something else"):
        bulk.judge_all(model, paths, tmp_path / "notes")
    detector, out = Detector.load(model), tmp_path / "out"
    bulk._claim(out, {"detector": "of before", "alpha": detector.smallest_rate})
    with pytest.raises(ValueError, match="of another detector or false-alarm rate"):
        bulk.judge_all(model, paths, out)
    with pytest.raises(FileNotFoundError, match="holds no detector"):
        bulk.judge_all(tmp_path / "notes", paths, tmp_path / "new")
    assert not (tmp_path / "new").exists()
