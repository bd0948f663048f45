"""A service that computes for minutes must stop at once when told, wherever it is at that moment."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_S = 3.0


@contextmanager
def until_told() -> Iterator[None]:
    """Leaves its block quietly at SIGINT or SIGTERM, in the middle of whatever runs. Main thread only.

    Python drops an exception raised in a destructor or in a callback of C code (threadpoolctl looks at the
    loaded libraries in one), so it is raised again every three seconds until the block has been left.
    """
    for number in _SIGNALS:
        signal.signal(number, _told)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _told(_number: int, _frame: object) -> None:
    for number in _SIGNALS:
        # Once is enough: a second one would tear the tidying up. Not SIG_IGN: a signal that is already under
        # way would then be told as an error.
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
    raise KeyboardInterrupt


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
