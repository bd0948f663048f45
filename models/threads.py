"""Keep small numerical work on one thread: on busy cores the threads of one prediction wait for each other
longer than they work (boosted trees: 39 s instead of 4 for six gauges at a load of ten per core)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """While it lasts, libraries that were loaded at its first use compute on one thread."""
    return _loaded().limit(limits=1)  # type: ignore[no-any-return]


@cache
def _loaded() -> ThreadpoolController:
    # Finding the libraries reads the map of the whole process: 5 to 15 ms, as long as a forecast.
    return ThreadpoolController()
