"""What was worked out of a file, an hour or a day stays known while that does not change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """By what it was worked out of: the state that had, and the outcome. The longest unused goes first."""

    def __init__(self, most: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._known: OrderedDict[Hashable, tuple[Hashable, T]] = OrderedDict()
        self.weight = 0  # of all that is kept
        self._lock = threading.Lock()

    def get(self, what: Hashable, state: Hashable = None) -> T | None:
        """As it was worked out in this very state; a file never changes and has none."""
        with self._lock:
            known = self._known.get(what)
            if known is None or known[0] != state:
                return None
            self._known.move_to_end(what)
            return known[1]

    def former(self, what: Hashable, state: Hashable) -> T | None:
        """As it was in another state: it would have to be worked out again."""
        with self._lock:
            known = self._known.get(what)
        return None if known is None or known[0] == state else known[1]

    def of(self, what: Hashable, state: Hashable, work_out: Callable[[], T]) -> T:
        """Worked out now unless it is known in this very state."""
        found = self.get(what, state)
        return self.keep(what, state, work_out()) if found is None else found

    def keep(self, what: Hashable, state: Hashable, found: T) -> T:
        """In place of what was known of it in another state."""
        with self._lock:
            self._forget(self._known.pop(what, None))
            self._known[what] = (state, found)
            self.weight += self._weigh(found)
            while self.weight > self._most:
                self._forget(self._known.popitem(last=False)[1])
        return found

    def _forget(self, known: tuple[Hashable, T] | None) -> None:
        if known is not None:
            self.weight -= self._weigh(known[1])
