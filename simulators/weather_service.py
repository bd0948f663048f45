"""Serve virtual forecasts over HTTP at the paths of the DWD's open data server, to this machine only."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from simulators.outlook import Outlook
from simulators.weather_files import point_archive, radar_archive

log = logging.getLogger(__name__)

RADAR_PATH = "/weather/radar/composite/rv/composite_rv_LATEST.tar"
_POINT = re.compile(
    r"/weather/local_forecasts/mos/MOSMIX_L/single_stations/([A-Z0-9]{4,5})/kml/MOSMIX_L_LATEST_\1\.kmz"
)
# How often a product is issued, and when it can be had: the radar every five minutes, MOSMIX_L at 3, 9, 15
# and 21 UTC.
_RADAR_EVERY_S, _RADAR_DELAY_S = 300, 150
_POINT_EVERY_S, _POINT_FIRST_S, _POINT_DELAY_S = 6 * 3600, 3 * 3600, 70 * 60


class WeatherService:
    """`now` is epoch seconds; each file is made once, when somebody asks for it first."""

    def __init__(self, outlook: Outlook, now: Callable[[], float]) -> None:
        self._outlook = outlook
        self._now = now
        self._lock = threading.Lock()
        self._made: dict[str, tuple[int, bytes]] = {}
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

    def file(self, path: str) -> tuple[int, bytes] | None:
        """Issue time and content of the newest file at a path; None for a path that is not offered."""
        station = _POINT.fullmatch(path)
        if path != RADAR_PATH and station is None:
            return None
        issued = self._radar_issue() if station is None else self._point_issue()
        with self._lock:  # whoever asks second waits for the same file instead of making it again
            held = self._made.get(path)
            if held is None or held[0] != issued:
                content = (
                    radar_archive(self._outlook, issued)
                    if station is None
                    else point_archive(self._outlook, issued, station[1])
                )
                held = self._made[path] = (issued, content)
            return held

    def _radar_issue(self) -> int:
        return int((self._now() - _RADAR_DELAY_S) // _RADAR_EVERY_S * _RADAR_EVERY_S)

    def _point_issue(self) -> int:
        count = (self._now() - _POINT_DELAY_S - _POINT_FIRST_S) // _POINT_EVERY_S
        return int(count * _POINT_EVERY_S + _POINT_FIRST_S)


def _handler(service: WeatherService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = service.file(self.path)
            if found is None:
                self._answer(404, b"")
                return
            mark = f'"{found[0]}"'
            known = self.headers.get("If-None-Match") == mark
            self._answer(304 if known else 200, b"" if known else found[1], mark)

        def _answer(self, status: int, content: bytes, mark: str = "") -> None:
            self.send_response(status)
            if mark:
                self.send_header("ETag", mark)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            log.debug(format, *args)

    return Handler
