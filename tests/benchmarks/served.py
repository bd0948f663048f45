"""The real process of the data API over a folder that a benchmark has filled."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil

STARTING_S = 120
STOPPING_S = 60


@contextmanager
def serving(folder: Path, first: str) -> Iterator[tuple[str, psutil.Process]]:
    """Its address once it answers `first`, a path, and the process. RuntimeError if it never does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "api.toml"
    config.write_text(
        f'[registry]\nurl = "sqlite:///{folder}/registry.sqlite"\n'
        f'[ledger]\nurl = "sqlite:///{folder}/ledger.sqlite"\n'
        f'[store.embedded]\nfolder = "{folder}/store"\n[server]\nport = {port}\n'
        f'[opendata]\nfolder = "{folder}/opendata"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "udp", "run", "--config", str(config), "--log-level", "WARNING"]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        _await_answer(process, f"{address}{first}")
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=STOPPING_S)


def _await_answer(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(url, timeout=60).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} did not answer; what the process said stands above")
