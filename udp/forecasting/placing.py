"""Where forecasts are kept unless told otherwise: with the registry, which every process knows."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

FILE = "forecasts.sqlite"


def beside(registry: str) -> str:
    """The address for a registry's: a file of its own in SQLite's folder, else the same database."""
    url = make_url(registry)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        url = url.set(database=str(Path(url.database or "").with_name(FILE)))
    return url.render_as_string(hide_password=False)
