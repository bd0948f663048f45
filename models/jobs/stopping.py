"""A service that computes for minutes stops at once when told, wherever it is at that moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def stop_when_told() -> None:
    """From now on SIGINT and SIGTERM end this process and its workers, exit code 0. Main thread only.

    Not by an exception: raised in a destructor or a callback it is dropped, in compiled code it becomes
    another one (both were seen, in scipy's tables and in numba's unpickling). What is kept is committed
    and survives kill -9; what a round has not kept, the next one does again.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


@contextmanager
def given_up_with(word: str) -> Iterator[None]:
    """Within, Ctrl-C ends the process with ``word`` and exit code 130, also in compiled code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: object) -> None:
        os.write(2, f"\n{word}\n".encode())
        _end_workers()
        os._exit(130)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(_number: int, _frame: object) -> None:
    _end_workers()
    os._exit(0)


def _end_workers() -> None:
    for worker in multiprocessing.active_children():
        if worker.pid is not None:  # not worker.kill(), which joblib's processes do not have
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
