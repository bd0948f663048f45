"""Serve virtual forecasts over HTTP at the paths of the DWD's open data server, to this machine only."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from simulators.outlook import Outlook
from simulators.weather_files import point_archive, radar_archive

log = logging.getLogger(__name__)

RADAR_PATH = "/weather/radar/composite/rv/composite_rv_LATEST.tar"
_POINT = re.compile(
    r"/weather/local_forecasts/mos/MOSMIX_L/single_stations/([A-Z0-9]{4,5})/kml/MOSMIX_L_(LATEST|\d{10})_\1\.kmz"
)
# How often a product is issued, and when it can be had: the radar every five minutes, MOSMIX_L at 3, 9, 15
# and 21 UTC.
_RADAR_EVERY_S, _RADAR_DELAY_S = 300, 150
_POINT_EVERY_S, _POINT_FIRST_S, _POINT_DELAY_S = 6 * 3600, 3 * 3600, 70 * 60
# The real one keeps two days; a virtual city that begins with weeks of its past has its forecasts too.
_KEPT_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class File:
    """What is offered: when it was issued and published (epoch seconds), and its content."""

    issued: int
    published: int
    content: bytes


class WeatherService:
    """`now` is epoch seconds; each file is made once, when somebody asks for it first. `away`: whether it has
    nothing for anybody at that moment, as on a bad day of the real one."""

    def __init__(
        self, outlook: Outlook, now: Callable[[], float], away: Callable[[float], bool] = lambda _: False
    ) -> None:
        self._outlook = outlook
        self._away = away
        self._now = now
        self._lock = threading.Lock()
        self._made: dict[str, File] = {}
        self._server: ThreadingHTTPServer | None = None

    def open(self, host: str, port: int) -> int:
        """Listen until `close`; returns the port. OSError if it is taken."""
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="weather", daemon=True).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def away(self) -> bool:
        """Whether nobody is answered now."""
        return self._away(self._now())

    def file(self, path: str) -> File | None:
        """The newest file at a path, or that of a past issue; None for what is not offered."""
        if path == RADAR_PATH:
            issued = self._radar_issue()
            return self._held(path, issued, issued + _RADAR_DELAY_S, radar_archive)
        if (point := _POINT.fullmatch(path)) is None:
            return None
        station, newest = point[1], self._point_issue()
        issued = newest if point[2] == "LATEST" else _issue(point[2])
        if not newest - _KEPT_S <= issued <= newest or (newest - issued) % _POINT_EVERY_S:
            return None
        made = partial(point_archive, station=station)
        return self._held(path, issued, issued + _POINT_DELAY_S, made)

    def _held(self, path: str, issued: int, published: int, make: Callable[[Outlook, float], bytes]) -> File:
        with self._lock:  # whoever asks second waits for the same file instead of making it again
            held = self._made.get(path)
            if held is None or held.issued != issued:
                held = File(issued, published, make(self._outlook, issued))
                if "LATEST" in path:
                    self._made[path] = held
            return held

    def _radar_issue(self) -> int:
        return int((self._now() - _RADAR_DELAY_S) // _RADAR_EVERY_S * _RADAR_EVERY_S)

    def _point_issue(self) -> int:
        count = (self._now() - _POINT_DELAY_S - _POINT_FIRST_S) // _POINT_EVERY_S
        return int(count * _POINT_EVERY_S + _POINT_FIRST_S)


def _issue(text: str) -> int:
    """Epoch seconds of 2026112109; 0 for no such hour."""
    try:
        return int(datetime.strptime(text, "%Y%m%d%H").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _handler(service: WeatherService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if service.away:
                self._answer(503, b"", {"Retry-After": "60"})
                return
            found = service.file(self.path)
            if found is None:
                self._answer(404, b"", {})
                return
            mark = f'"{found.issued}"'
            headers = {"ETag": mark, "Last-Modified": formatdate(found.published, usegmt=True)}
            if self.headers.get("If-None-Match") == mark:
                self._answer(304, b"", headers)
            else:
                self._answer(200, found.content, headers)

        def _answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            log.debug(format, *args)

    return Handler
