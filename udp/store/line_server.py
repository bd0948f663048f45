"""What servers that speak line protocol have in common: lines in, questions out, one door to close."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from udp.errors import StoreUnavailable
from udp.store import server_answers as answers
from udp.store.acceptance import require_storable
from udp.store.columns import Ints, Observations
from udp.store.line_protocol import LINES_PER_BODY, bodies
from udp.store.occupied import OccupiedPlaces
from udp.store.web import Parameters, WebEndpoint


class LineWriter(Protocol):
    """Takes lines; no driver's error leaves it."""

    def give(self, body: bytes) -> None:
        """Send lines; returns when the server has confirmed them."""

    def close(self) -> None:
        """Release connections; a second call does nothing."""


class PlainWriter:
    """InfluxDB's first write address, for servers before 1.8."""

    def __init__(self, web: WebEndpoint, database: str) -> None:
        self._web = web
        self._query = [("db", database), ("precision", "ns")]

    def give(self, body: bytes) -> None:
        """See LineWriter."""
        self._web.give("/write", self._query, body)

    def close(self) -> None:
        """See LineWriter."""
        self._web.close()


class LineServer:
    """One server, its writer and the name of our measurement there."""

    def __init__(
        self, web: WebEndpoint, writer: LineWriter, *, name: str, measurement: str, read_only: bool
    ) -> None:
        self.measurement = measurement
        self._web = web
        self._writer = writer
        self._name = name
        self._read_only = read_only
        self._appending = threading.Lock()  # between asking and writing nobody else of this process writes

    def require_writer(self) -> None:
        """StoreUnavailable where only reading is meant."""
        if self._read_only:
            raise StoreUnavailable(f"{self._name}: opened for reading only; writing is ingest's part")

    def append(self, batch: Observations, occupied: OccupiedPlaces) -> Ints:
        """All that is storable and not there, in bodies of some ten thousand lines; none where one value
        never is. Positions of what is there."""
        self.require_writer()
        require_storable(batch)
        with self._appending:
            refused = occupied.refused(batch)
            new = batch if not refused.any() else batch.take(~refused)
            for body in bodies(self.measurement, new):
                self._writer.give(body)
            occupied.written(new)
        return np.flatnonzero(refused)

    def give(self, lines: list[str]) -> None:
        """Lines of our own making, in bodies of the same size."""
        self.require_writer()
        for begin in range(0, len(lines), LINES_PER_BODY):
            self._writer.give("\n".join(lines[begin : begin + LINES_PER_BODY]).encode())

    def ask(self, path: str, form: Parameters) -> dict[str, Any]:
        """The JSON object that is the answer."""
        return answers.decoded(self._name, self._web.ask(path, form))

    def ask_lines(self, path: str, form: Parameters) -> Iterator[dict[str, Any]]:
        """The JSON objects of an answer that has one in every line."""
        for line in self._web.ask(path, form).splitlines():
            yield answers.decoded(self._name, line)

    def close(self) -> None:
        """Release connections; a second call does nothing."""
        self._web.close()
        self._writer.close()
