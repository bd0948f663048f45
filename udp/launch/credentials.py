"""Secrets of one machine: made once, at random, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class Credentials:
    """One file per secret below a private directory; there are no default passwords."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)

    def path(self, name: str) -> Path:
        """The file of a secret, made on first use (256 random bits)."""
        path = self._directory / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return path

    def text(self, name: str) -> str:
        """The secret itself."""
        return self.path(name).read_text(encoding="ascii").strip()
