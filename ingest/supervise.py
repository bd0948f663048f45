"""Keep the pipeline process running beside the doors: started again when it dies, gone when we go; and let no
process live on by half."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_LONG_ENOUGH_S = 30.0  # a process that lived so long did not fail at its start
_LONGEST_PAUSE_S = 15.0
_TIME_TO_END_S = 30.0
_FELL_OVER = 70  # EX_SOFTWARE of sysexits.h


class AlreadyRunning(Exception):
    """Another process does this work already; names the lock and the remedy."""


class Child:
    """One process, started again whenever it ends by itself.

    Its standard input is a pipe from us: when we die, however we die, it reads the end of it.
    """

    def __init__(self, command: Sequence[str], say: Callable[[str], None]) -> None:
        """`say`: told in words when it ends by itself, and with no words when it runs."""
        self._command = list(command)
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; then the process is given time to finish its batch."""
        pause = 0.5
        while not stop.is_set():
            started = time.monotonic()
            text = self._run_once(stop, started)
            if stop.is_set():
                break
            log.error("%s", text)
            self._say(text)
            pause = 0.5 if time.monotonic() - started > _LONG_ENOUGH_S else min(2 * pause, _LONGEST_PAUSE_S)
            stop.wait(pause)
        self._end()

    def _run_once(self, stop: threading.Event, started: float) -> str:
        """Until the process ends or `stop`; how it ended."""
        try:
            process = self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603
        except OSError as error:  # no memory or no process number left: that passes
            return f"pipeline process cannot be started ({error}); tried again, the journal keeps everything"
        while process.poll() is None and not stop.wait(0.1):
            if time.monotonic() - started > _LONG_ENOUGH_S:
                self._say("")
        code = process.returncode
        return f"pipeline process ended with status {code}; started again, the journal keeps everything"

    def _end(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_TIME_TO_END_S)
        except subprocess.TimeoutExpired:
            log.warning(
                "the pipeline did not end within %.0f s and is killed; it loses nothing", _TIME_TO_END_S
            )
            process.kill()
            process.wait()


@contextmanager
def exclusive(path: Path, stop: threading.Event, *, wait: bool) -> Iterator[None]:
    """Hold the lock `path` (released by the kernel however we end); AlreadyRunning if another holds it.

    With `wait`, until the other lets go or `stop` is set: after a kill it may finish its batch.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not wait or stop.wait(0.1):
                    raise AlreadyRunning(
                        f"{path} is held: another process of this worker is running; stop it, or give "
                        "this one another `worker` name"
                    ) from error
        yield


def end_with_any_thread() -> None:
    """A thread that falls over ends the whole process, which is then started again.

    Half a process would go on taking messages it no longer journals, or hold every door open for a
    commit that never comes. What was acknowledged is on disk.
    """

    def end(fault: threading.ExceptHookArgs) -> None:
        name = fault.thread.name if fault.thread else "?"
        told = "".join(traceback.format_exception(fault.exc_type, fault.exc_value, fault.exc_traceback))
        log.critical("thread %s fell over, the process ends: %s", name, told)
        logging.shutdown()
        os._exit(_FELL_OVER)

    threading.excepthook = end
