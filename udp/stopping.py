"""What goes on until told to stop ends between two pieces of work, never in the middle of one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from udp.errors import PlatformError


def told_to_stop() -> threading.Event:
    """An event that SIGINT and SIGTERM set from now on. Main thread only."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def when_parent_goes(then: Callable[[], None]) -> None:
    """Do `then` when our standard input ends: the parent holds the other end, and is gone however it went."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        then()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def keep_up(work: Callable[[threading.Event], None], again_s: float, log: logging.Logger) -> None:
    """Do `work`, which goes on until its event is set; when a part of the platform is away, say so and begin
    it anew so many seconds later: what is kept stands, and the next round finds what is missing."""
    stop = told_to_stop()
    while not stop.is_set():
        try:
            work(stop)
        except PlatformError as error:
            log.warning("%s", error)
            stop.wait(again_s)
