"""Kill a real process (SIGKILL) before each of its statements of SQLite and changes of names in turn."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

_RENAMES = ("os.rename", "os.remove")


def killed_at(point: int, work: Callable[[], object], since: str = "") -> bool:
    """Do `work` in a process that dies before its step number `point`; False if it came to its end.

    Steps count from the first one that begins with `since`.
    """
    child = os.fork()
    if child == 0:
        steps, same, before, begun = count(1), 0, "", False

        def step(what: str) -> None:
            nonlocal same, before, begun
            begun = begun or what.startswith(since)
            same, before = (same + 1 if what[:30] == before else 1), what[:30]
            # Of a thousand rows that go the same way, the 1st, 2nd, 4th, 8th ... tell as much as all.
            if begun and same & (same - 1) == 0 and next(steps) == point:
                os.kill(os.getpid(), signal.SIGKILL)

        _watch(step)
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the parent says it
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise AssertionError(f"the work of point {point} failed by itself")
    return False


def _watch(step: Callable[[str], None]) -> None:
    class Watched(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.set_trace_callback(step)

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return Watched(*arguments, **named)

    sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment,misc]
    sys.addaudithook(lambda event, _: step(event) if event in _RENAMES else None)


def every_point(work: Callable[[Path], object], template: Path, folder: Path, since: str = "") -> list[Path]:
    """A folder for each step `work` has: a copy of `template`, as the kill before that step left it."""
    folders = []
    for point in count(1):
        own = folder / f"{point:04d}"
        shutil.copytree(template, own)
        if not killed_at(point, lambda own=own: work(own), since):  # type: ignore[misc]
            return folders
        folders.append(own)
    raise AssertionError
