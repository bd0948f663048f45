"""What store, ledger and journal want done from time to time, beside the pipeline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from ingest.ageing import JournalAgeing
from ingest.erasing import CaughtUp, Eraser
from ingest.journal import JournalUnavailable
from ingest.supervise import AlreadyRunning, exclusive
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.datasets.source import PolicyFile
from udp.errors import PlatformError
from udp.forecasting.port import Forecasts
from udp.ledger.port import Page
from udp.ledger.sql import SqlLedger
from udp.policy import Gate
from udp.registry.sql import SqlRegistry
from udp.retention.ageing import Ageing
from udp.retention.audit_ageing import forget_audit
from udp.retention.proof import Proofs
from udp.store.opening import maintain
from udp.store.port import ObservationStore

log = logging.getLogger(__name__)

_AGE_EVERY = timedelta(hours=1)
_SOON = timedelta(minutes=1)
_AHEAD_OF_ALL = timedelta(days=7)


def keep_house(
    store: ObservationStore,
    ledger: SqlLedger,
    registry: SqlRegistry,
    directory: Path,
    remember: timedelta,
    *,
    worker: str,
    policy: PolicyFile,
    forecasts: Forecasts,
    now: Callable[[], datetime],
    stop: threading.Event,
) -> None:
    """Until `stop`. `directory`: of the journal; `remember`: how long uplinks are recognised."""
    retention = _Told(ledger, worker)
    # Whoever was switched off for weeks is given a minute to speak before our clock is doubted.
    forgot, aged = now(), now() - _AGE_EVERY + _SOON
    eraser, caught_up = Eraser(store, ledger, directory, now), CaughtUp(directory, ledger)
    while not stop.wait(5.0):
        try:
            while maintain(store, now()) and not stop.is_set():
                pass
            # Both ways: a clock that was set back must not end the deletions for as long as it went.
            if abs(now() - aged) > _AGE_EVERY:
                # Also after a failure only in an hour: a store that cannot delete says so often enough.
                aged = now()
                doubt = clock_doubted(ledger, now())
                if not doubt and abs(now() - forgot) > timedelta(days=1):
                    ledger.forget(now() - remember)
                    forgot = now()
                gate = Gate(policy.current())
                retention.say(
                    doubt or _trouble(gate, store, ledger, registry, directory, forecasts=forecasts, now=now)
                )
                aged += _SOON - _AGE_EVERY if doubt else timedelta(0)
            projects = CitizenProjects(registry.database, CitizenSettings(), None, now)
            eraser.run(projects, caught_up)
        except (PlatformError, JournalUnavailable) as error:
            log.warning("housekeeping: %s; trying again", error)


def clock_doubted(ledger: SqlLedger, now: datetime) -> str:
    """Why nothing may be deleted by our clock, empty if it may: a clock that jumps ahead by years would
    end every time of keeping at once, and no clock set right afterwards brings anything back."""
    others = ledger.latest_by_others()
    if others is None or now - others <= _AHEAD_OF_ALL:
        return ""
    return (
        f"the clock here says {now:%Y-%m-%d %H:%M} UTC, and by their own clocks no agent and no gateway has "
        f"said anything after {others:%Y-%m-%d %H:%M} UTC: nothing is deleted or forgotten until one of them "
        "confirms it; set the clock if it is wrong; if nothing was heard for so long, `udp retention run` "
        "deletes values that are due"
    )


class _Told:
    """What those who look at the ledger know of retention."""

    def __init__(self, ledger: SqlLedger, worker: str) -> None:
        self._ledger = ledger
        self._worker = worker
        self._said: str | None = None

    def say(self, text: str) -> None:
        """What is wrong now, empty when all is well; PlatformError if the ledger does not take it."""
        if text:
            log.warning("retention: %s", text)
        if text != self._said:
            self._ledger.write(Page(worker=self._worker, conditions={"retention": text}))
            self._said = text


def _trouble(
    gate: Gate,
    store: ObservationStore,
    ledger: SqlLedger,
    registry: SqlRegistry,
    directory: Path,
    *,
    forecasts: Forecasts,
    now: Callable[[], datetime],
) -> str:
    """Let messages and values grow old; what went wrong, in words."""
    proofs = Proofs(registry.database)
    troubles = []
    try:
        with exclusive(directory / "ageing.lock", threading.Event(), wait=False):
            JournalAgeing(directory, ledger, proofs, now).run(gate.policy.journal_kept(), gate.policy.digest)
    except AlreadyRunning:
        pass  # another worker of this folder is at it
    except (JournalUnavailable, OSError) as error:  # on a full disk not even the lock can be made
        troubles.append(str(error))
    try:
        Ageing(store, registry.ever, proofs, now, lambda: forecasts.told().streams).run(gate)
        forget_audit(registry.database, gate.policy.audit_kept, gate.policy.digest, now)
    except PlatformError as error:
        troubles.append(str(error))
    return "; ".join(troubles)
