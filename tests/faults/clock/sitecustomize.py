"""Moves the wall clock of one process: read by Python before anything else, where a test asks for it.

The file UDP_TEST_CLOCK names holds the seconds to be added; it is read at each look at the clock, so
the clock jumps while the process works. Monotonic time stays as it is, as on a real machine.
"""

import datetime as module
import os
import time

_FILE = os.environ.get("UDP_TEST_CLOCK", "")
_Real, _time, _time_ns = module.datetime, time.time, time.time_ns


def _ahead() -> float:
    try:
        with open(_FILE) as file:  # noqa: PTH123
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


class _AnyDatetime(type(_Real)):
    """What the real class made is an instance of ours too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


class _Moved(_Real, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: module.tzinfo | None = None) -> _Real:
        return _Real.now(tz) + module.timedelta(seconds=_ahead())


if _FILE:
    module.datetime = _Moved  # type: ignore[misc]
    time.time = lambda: _time() + _ahead()
    time.time_ns = lambda: _time_ns() + int(_ahead() * 1e9)
