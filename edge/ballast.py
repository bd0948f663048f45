"""A reserve of disk space to be thrown off when the disk is full.

Forgetting confirmed messages needs room in SQLite's write-ahead log: without a reserve a full disk
would stay full for ever, although everything on it is confirmed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

_OCTETS: Final = 2_000_000
_FREE_AGAIN: Final = 5 * _OCTETS


class Ballast:
    """A file of zeros."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aboard = False

    def take_on(self) -> None:
        """Reserve, if there is plenty of room; does nothing when reserved already."""
        if self._aboard:
            return
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size == _OCTETS:
                self._aboard = True
            elif shutil.disk_usage(self._path.parent).free > _FREE_AGAIN:
                with self._path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _OCTETS)
                self._aboard = True

    def throw_off(self) -> bool:
        """Give the reserve up; True if there was one."""
        self._aboard = False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
