"""Fetch a file of a weather service only when it has changed, bounded in octets and in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3

from udp.errors import PlatformError

# The radar composite is 2.5 to 4 MB, a MOSMIX station 20 kB.
MOST_OCTETS = 24_000_000
_PIECE = 65_536


class SourceAway(PlatformError):
    """The weather service did not answer, or not with the file; it is asked again."""


class SourceHasNot(SourceAway):
    """The weather service answers, and has no such file."""


class SourceUnusable(PlatformError):
    """What came is not what the product is; using it would be guessing."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file, what names this very version of it, and when it was published, as far as the server says so."""

    content: bytes
    mark: Mapping[str, str]
    modified: datetime | None = None


class Downloads:
    """Files below one address. A file that was kept is not sent again until it changes."""

    def __init__(self, server: str, within_s: float) -> None:
        self._server = server.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(within_s), retries=False)
        self._kept: dict[str, Mapping[str, str]] = {}

    def fetch(self, path: str) -> Fetched | None:
        """The file, None while it is still the one that was `kept`. SourceAway, SourceUnusable."""
        address = self._server + path
        try:
            answer = self._pool.request(
                "GET", address, headers=self._kept.get(path, {}), redirect=False, preload_content=False
            )
            try:
                return _read(answer, address)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise SourceAway(f"{address} did not answer: {error}") from error

    def kept(self, path: str, fetched: Fetched) -> None:
        """This version was used: from now on only another one is asked for."""
        self._kept[path] = fetched.mark


def _read(answer: urllib3.BaseHTTPResponse, address: str) -> Fetched | None:
    if answer.status == 304:
        return None
    if answer.status == 404:
        raise SourceHasNot(f"{address} answered 404")
    if answer.status != 200:
        raise SourceAway(f"{address} answered {answer.status}")
    content = bytearray()
    for piece in answer.stream(_PIECE):
        content += piece
        if len(content) > MOST_OCTETS:
            raise SourceUnusable(f"{address} is larger than {MOST_OCTETS} octets")
    pairs = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    mark = {ask: answer.headers[told] for told, ask in pairs if told in answer.headers}
    return Fetched(bytes(content), mark, _moment(answer.headers.get("Last-Modified", "")))


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None
