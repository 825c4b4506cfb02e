"""The same numbers on one device, eight devices, pmap, two processes."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.distributed
WORKER = Path(__file__).with_name("worker.py")


class Run:
    """The processes of one run, each with `devices` devices; what they print goes to files."""

    def __init__(self, folder, parallelism="jit", processes=1, devices=1):
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
        command = [sys.executable, str(WORKER), str(folder), parallelism]
        if processes > 1:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                command += [f"127.0.0.1:{free.getsockname()[1]}", str(processes)]
        folder.mkdir(exist_ok=True)
        self.logs = [folder / f"{number}.log" for number in range(processes)]
        self.processes = []
        for number, path in enumerate(self.logs):
            with path.open("w") as log:
                own = [*command, str(number)] if processes > 1 else command
                self.processes.append(
                    subprocess.Popen(own, env=environment, stdout=log, stderr=log)
                )

    def finish(self):
        try:
            codes = [process.wait(timeout=300) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        assert not any(codes), "\n".join(log.read_text()[-2000:] for log in self.logs)


@pytest.fixture(scope="module")
def one(tmp_path_factory, show):
    folder = tmp_path_factory.mktemp("one")
    Run(folder).finish()
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
    ("parallelism", "processes", "devices"),
    [("jit", 1, 8), ("pmap", 1, 8), ("jit", 2, 1), ("jit", 4, 1)],
)
def test_other_topologies_give_the_same_numbers(
    one, show, tmp_path, parallelism, processes, devices
):
    Run(tmp_path, parallelism, processes, devices).finish()
    result = np.load(tmp_path / "result.npz")
    show(f"{processes} x {devices}, {parallelism}", result)
    check(result, one, processes * devices)


@pytest.mark.slow
def test_a_dead_process_ends_the_run_and_another_topology_goes_on(one, show, tmp_path):
    run = Run(tmp_path, processes=2)
    # Killed after its second epoch was saved.
    while not list((tmp_path / "checkpoint").glob("2")):
        assert run.processes[0].poll() is None, run.logs[0].read_text()[-2000:]
        time.sleep(0.05)
    run.processes[1].kill()
    assert run.processes[0].wait(timeout=120) != 0
    assert run.processes[1].wait() != 0
    assert not (tmp_path / "result.npz").exists()
    Run(tmp_path, devices=3).finish()
    result = np.load(tmp_path / "result.npz")
    show("2 x 1 killed, then 1 x 3", result)
    check(result, one, 3)
