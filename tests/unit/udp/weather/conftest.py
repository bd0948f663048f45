"""Forecast files built by hand after the DWD's descriptions, and a real HTTP server for them."""

import sys
import threading
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for forecast_files.py


class Shelf:
    """What the server offers: path -> bytes, or an HTTP status; `asked` are the requests it saw; `modified`
    when files were published."""

    def __init__(self):
        self.files, self.asked, self.modified = {}, [], {}


@pytest.fixture
def shelf():
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            held = shelf.files.get(self.path, 404)
            mark = f'"{hash(held)}"'
            status = held if isinstance(held, int) else 304 if self.headers["If-None-Match"] == mark else 200
            shelf.asked.append((self.path, status))
            self.send_response(status)
            content = held if status == 200 else b""
            self.send_header("ETag", mark)
            if self.path in shelf.modified:
                self.send_header("Last-Modified", format_datetime(shelf.modified[self.path], usegmt=True))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield shelf
    server.shutdown()
    server.server_close()
