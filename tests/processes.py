"""Several processes as one run, started and waited for."""

import os
import socket
import subprocess

LIMIT = 1200
"""Seconds after which what a test waits for is taken to hang, on a busy machine as well."""


class Run:
    """The processes of one run, each with `devices` devices; what they print goes to files.

    `command` makes the command line of a process from [], where it is alone, or else from
    [HOST:PORT, number of processes, number of this one].
    """

    def __init__(self, folder, command, processes=1, devices=1):
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
        others = []
        # The port stays ours while the run lasts: only who shares it on purpose, as the first
        # process does, may listen at it.
        self.port = socket.socket()
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if processes > 1:
            self.port.bind(("127.0.0.1", 0))
            others = [f"127.0.0.1:{self.port.getsockname()[1]}", str(processes)]
        folder.mkdir(exist_ok=True)
        self.logs = [folder / f"{number}.log" for number in range(processes)]
        self.processes = []
        for number, path in enumerate(self.logs):
            with path.open("w") as log:
                own = command([*others, str(number)] if others else [])
                self.processes.append(
                    subprocess.Popen(own, env=environment, stdout=log, stderr=log)
                )

    def finish(self):
        try:
            codes = [process.wait(timeout=LIMIT) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
            self.port.close()
        assert not any(codes), "\n".join(log.read_text()[-2000:] for log in self.logs)
