"""Fault tests run whole platforms; their modules lie beside one another."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def installation(tmp_path, request):
    """A platform of real processes, stopped hard at the end; `request.param` are its settings."""
    from installation import Installation

    platform = Installation(tmp_path, **getattr(request, "param", {}))
    yield platform
    for name in list(platform.processes):
        platform.kill(name)
    if getattr(request.node, "failed", False):
        print(f"logs in {tmp_path}")


@pytest.fixture
def metrics_server(tmp_path):
    """VictoriaMetrics that can be killed and started again on the same data."""
    program = shutil.which("victoria-metrics")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("victoria-metrics is not installed")
    from installation import listens, wait_until
    from loopback import free_port

    port = free_port()
    command = [
        program, f"-storageDataPath={tmp_path / 'metrics'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s",
    ]  # fmt: skip
    running = []

    def start() -> None:
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: listens(port), 60, "VictoriaMetrics listens")

    def stop() -> None:
        running[-1].terminate()
        running[-1].wait(20)

    start()
    yield f"http://127.0.0.1:{port}", start, stop
    running[-1].kill()
    running[-1].wait()
