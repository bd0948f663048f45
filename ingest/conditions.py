"""What is wrong at the doors, told to those who look at the ledger; the ledger may be what is missing."""

from __future__ import annotations

import logging
import threading

from udp.errors import StoreRejected, StoreUnavailable
from udp.ledger.port import Ledger, Page

log = logging.getLogger(__name__)


class Conditions:
    """Texts by subject and figures by name; set from any thread, written by one."""

    def __init__(self, worker: str) -> None:
        """`worker`: who says so; others say the same subjects of themselves."""
        self._worker = worker
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._figures: dict[str, int] = {}
        self._changed = False

    def say(self, subject: str, text: str) -> None:
        """What is wrong with `subject` now; empty when all is well."""
        with self._lock:
            if self._texts.get(subject) != text:
                self._texts[subject] = text
                self._changed = True

    def figure(self, name: str, value: int) -> None:
        """A figure as it stands now."""
        with self._lock:
            if self._figures.get(name) != value:
                self._figures[name] = value
                self._changed = True

    def write_to(self, ledger: Ledger) -> None:
        """Write what has changed; a ledger that is away gets it the next time."""
        with self._lock:
            if not self._changed:
                return
            page = Page(worker=self._worker, gauges=dict(self._figures), conditions=dict(self._texts))
            self._changed = False
        try:
            ledger.write(page)
        except StoreUnavailable as error:
            log.warning("%s; the operator page is not up to date", error)
            self._changed = True
        except StoreRejected as error:  # somebody else's words; the next ones may be better
            log.error("%s; the operator page is not up to date", error)  # noqa: TRY400
