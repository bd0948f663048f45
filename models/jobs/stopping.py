"""A service that computes for minutes stops at once when told, wherever it is at that moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress


def stop_when_told() -> None:
    """From now on SIGINT and SIGTERM end this process and its workers, exit code 0. Main thread only.

    Not by an exception: raised in a destructor or a callback it is dropped, in compiled code it becomes
    another one (both were seen, in scipy's tables and in numba's unpickling). What is kept is committed
    and survives kill -9; what a round has not kept, the next one does again.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_number: int, _frame: object) -> None:
    for worker in multiprocessing.active_children():
        if worker.pid is not None:  # not worker.kill(), which joblib's processes do not have
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
    os._exit(0)
