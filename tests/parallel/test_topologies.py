"""The same numbers on one device, eight devices, pmap, two processes."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import LIMIT, Run

pytestmark = pytest.mark.distributed
WORKER = Path(__file__).with_name("worker.py")


def start(folder, how="jit", processes=1, devices=1, killed="none"):
    command = [sys.executable, str(WORKER), str(folder), how, killed]
    return Run(folder, lambda others: [*command, *others], processes, devices)


@pytest.fixture(scope="module")
def one(tmp_path_factory, show):
    folder = tmp_path_factory.mktemp("one")
    start(folder).finish()
    result = np.load(folder / "result.npz")
    show("one device", result)
    return result


def check(result, one, devices):
    assert result["devices"] == devices
    np.testing.assert_allclose(result["scores"], one["scores"], rtol=1e-5)
    np.testing.assert_allclose(result["maps"], one["maps"], rtol=1e-5)
    np.testing.assert_allclose(result["local_scores"], one["local_scores"], rtol=1e-4)
    np.testing.assert_allclose(result["mean"], one["mean"], atol=1e-6)
    np.testing.assert_allclose(result["whitening"], one["whitening"], rtol=1e-4, atol=1e-4)
    for name in ("loss", "validation_loss", "vicinity_auroc"):
        np.testing.assert_allclose(result[name], one[name], rtol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "processes", "devices"),
    [("jit", 1, 8), ("pmap", 1, 8), ("jit32", 2, 2), ("jit", 3, 1)],
)
def test_other_topologies_give_the_same_numbers(one, show, tmp_path, how, processes, devices):
    start(tmp_path, how, processes, devices).finish()
    result = np.load(tmp_path / "result.npz")
    show(f"{processes} x {devices}, {how}", result)
    check(result, one, processes * devices)


@pytest.mark.slow
def test_a_dead_process_ends_the_run_and_another_topology_goes_on(one, show, tmp_path):
    run = start(tmp_path, processes=2, killed="1")
    assert run.processes[1].wait(timeout=LIMIT) == -signal.SIGKILL, run.logs[1].read_text()[-2000:]
    assert run.processes[0].wait(timeout=LIMIT) not in (0, -signal.SIGKILL)
    run.port.close()
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["3"]  # two epochs
    assert not (tmp_path / "result.npz").exists()
    start(tmp_path, devices=3).finish()
    result = np.load(tmp_path / "result.npz")
    show("2 x 1 killed, then 1 x 3", result)
    check(result, one, 3)
