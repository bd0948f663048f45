"""Turn SQLite's write-ahead log on where several processes may open a new file at once.

SQLite waits for other locks itself, but not for this one: whoever wants to change the log and meets a
writer is refused at once, since to wait might be a deadlock (sqlite.org/c3ref/busy_handler.html).
"""

from __future__ import annotations

import sqlite3
import time

_PAUSE_S = 0.01
_PRIMARY_CODE = 0xFF


def write_ahead(connection: sqlite3.Connection, within_s: float) -> None:
    """Returns when the log is on. sqlite3.OperationalError if somebody writes longer than ``within_s``."""
    until = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
