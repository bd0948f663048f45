"""Fetch from a foreign platform on time, and its history once; what was fetched goes into the journal.

Only the configured host is ever asked, by https unless it is this machine; redirections are not
followed. A page counts as fetched when the journal has it; repeating one is harmless.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import urllib3

from edge.wire.broker import is_loopback
from edge.wire.instants import microseconds
from edge.wire.settings import Secret
from ingest.committer import Committer
from ingest.conditions import Conditions
from ingest.journal import Delivery, JournalUnavailable
from ingest.mapping import WAY, ForeignMapping, PullRule, origin_of
from udp.errors import ConfigurationError, PlatformError

log = logging.getLogger(__name__)

_WITHIN_S = 30.0
_MOST_PAGES = 1_000
_RETRY_S = 60.0


class PullFailed(PlatformError):
    """The platform did not give what was asked for; it is asked again."""


class Puller:
    """One mapping's fetching. `state`: where the end of the fetched history is kept."""

    def __init__(
        self,
        mapping: ForeignMapping,
        header: tuple[str, Secret] | None,
        committer: Committer,
        state: Path,
        now: Callable[[], datetime],
    ) -> None:
        rule = mapping.file.pull
        if rule is None:
            raise ConfigurationError(f"mapping {mapping.name} has no [pull] table")
        parts = urlsplit(rule.url.replace("{", "").replace("}", ""))
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ConfigurationError(f"mapping {mapping.name}: {parts.hostname} must be asked by https")
        self._mapping = mapping
        self._rule: PullRule = rule
        self._host = (parts.scheme, parts.netloc)
        self._header = header
        self._committer = committer
        self._state = state
        self._now = now
        self._pool = urllib3.PoolManager(timeout=_WITHIN_S, retries=False)

    def run(self, conditions: Conditions, stop: threading.Event) -> None:
        """Until `stop`; what fails is told on the operator page and tried again."""
        subject = f"pull {self._mapping.name}"
        while not stop.is_set():
            wait = self._rule.every.total_seconds()
            try:
                self.round(stop)
                conditions.say(subject, "")
            except (PullFailed, JournalUnavailable) as error:
                log.warning("%s", error)
                conditions.say(subject, str(error))
                wait = min(wait, _RETRY_S)
            stop.wait(wait)

    def round(self, stop: threading.Event) -> int:
        """History that is missing, then the present; how many pages came. PullFailed, JournalUnavailable."""
        pages = 0
        for start, end in self._windows():
            for sensor in self._sensors():
                address = self._address(sensor, start, end)
                pages += self._pages(address, stop)
                if stop.wait(self._rule.pause.total_seconds()):
                    return pages
            if end is not None:
                self._remember(end)
        return pages

    def _windows(self) -> Iterator[tuple[datetime | None, datetime | None]]:
        if not self._rule.windowed:
            yield None, None
            return
        now = self._now()
        start = self._fetched_until() - self._rule.overlap
        while start < now:
            end = min(start + self._rule.step, now)
            yield start, end
            start = end

    def _sensors(self) -> list[str]:
        return [one.id for one in self._mapping.file.sensors] if "{sensor}" in self._rule.url else [""]

    def _address(self, sensor: str, start: datetime | None, end: datetime | None) -> str:
        address = self._rule.url.replace("{sensor}", quote(sensor, safe=""))
        for name, moment in (("{from}", start), ("{to}", end)):
            if moment is not None:
                text = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                address = address.replace(name, quote(text, safe=""))
        return address

    def _pages(self, address: str, stop: threading.Event) -> int:
        count = 0
        while address and not stop.is_set():
            octets = self._get(address)
            at = microseconds(self._now())
            self._committer.commit(
                [Delivery(at, WAY, origin_of(self._mapping.name), "application/json", octets)]
            )
            count += 1
            if count >= _MOST_PAGES:
                raise PullFailed(f"{self._mapping.name}: over {_MOST_PAGES} pages; does `next` ever end?")
            following = self._following(octets)
            address = self._same_host(urljoin(address, following)) if following else ""
        return count

    def _following(self, octets: bytes) -> str:
        if not self._rule.next:
            return ""
        try:
            return self._mapping.next_page(json.loads(octets))
        except (ValueError, RecursionError):
            return ""  # the pipeline sets the page aside and says why

    def _same_host(self, address: str) -> str:
        parts = urlsplit(address)
        if (parts.scheme, parts.netloc) != self._host:
            raise PullFailed(
                f"{self._mapping.name}: the next page is on another host ({parts.netloc}); not asked"
            )
        return address

    def _get(self, address: str) -> bytes:
        headers = {"Accept": "application/json", "User-Agent": "urban-data-platform"}
        if self._header is not None:
            headers[self._header[0]] = self._header[1].reveal()
        where = f"{self._host[0]}://{self._host[1]}"  # without the path: keys may stand in it
        try:
            answer = self._pool.request(
                "GET", address, headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise PullFailed(
                f"{self._mapping.name}: {where} does not answer ({type(error).__name__})"
            ) from error
        try:
            octets = answer.read(self._rule.max_bytes + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise PullFailed(f"{self._mapping.name}: {where} broke off ({type(error).__name__})") from error
        finally:
            answer.close()
        if answer.status != 200:
            raise PullFailed(f"{self._mapping.name}: {where} answered {answer.status}")
        if len(octets) > self._rule.max_bytes:
            raise PullFailed(f"{self._mapping.name}: {where} sent more than {self._rule.max_bytes} bytes")
        return octets

    def _fetched_until(self) -> datetime:
        first = datetime.fromisoformat(self._rule.since) if self._rule.since else self._now()
        try:
            kept = json.loads(self._state.read_text(encoding="utf-8"))
            return datetime.fromisoformat(kept[self._rule.url])
        except (OSError, ValueError, KeyError, TypeError):
            return first.astimezone(UTC)

    def _remember(self, end: datetime) -> None:
        fresh = self._state.with_suffix(".new")
        try:
            fresh.write_text(json.dumps({self._rule.url: end.isoformat()}), encoding="utf-8")
            fresh.replace(self._state)
        except OSError as error:  # what was fetched is journalled; fetched again it changes nothing
            raise PullFailed(f"{self._mapping.name}: {self._state} cannot be written ({error})") from error
