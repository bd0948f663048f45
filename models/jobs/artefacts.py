"""Keep fitted models on disk, each with the moment up to which it had learned, so that no forecast of the
past is ever made again with knowledge of its future.

Files are Python pickles: they are read only from the directory this process owns, which nobody else may
write.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import re
import struct
import tempfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.jobs.outcome import Fitted
from models.jobs.trace import Trace
from udp.errors import ConfigurationError

_log = logging.getLogger(__name__)

# Grows whenever fitted objects change their form: older files are then fitted anew, never misread.
FORM = 4
_KEPT = 5
_READ = f"read-{FORM}.trace"
# What reading half a file, or one of classes that exist no more, ends with.
_TORN = (
    OSError, EOFError, ValueError, AttributeError, ImportError, KeyError, TypeError, pickle.UnpicklingError,
    IndexError, struct.error, zlib.error,
)  # fmt: skip
_Seal = tuple[str, int, int, int]
_NAME = re.compile(r"(\d{8}T\d{6})\.fit")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A fit and what it rests on."""

    fitted: Fitted
    fitted_at: datetime
    fingerprint: str
    form: int = FORM

    @property
    def mark(self) -> str:
        """Which fit this is, for the fingerprints of its forecasts."""
        return f"{self.fitted_at.isoformat()} {self.fingerprint}"


class Artefacts:
    """One folder per product and group below ``directory``, with what was read for it (models.jobs.trace)."""

    def __init__(self, directory: Path) -> None:
        """ConfigurationError when others may write there: loading a pickle runs what it says."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = directory.stat()
        if state.st_uid != os.geteuid() or state.st_mode & 0o022:
            raise ConfigurationError(
                f"artefacts: {directory} belongs to somebody else or others may write there; "
                f"fitted models are loaded as programs, so run: chmod go-w {directory}"
            )
        self._directory = directory
        self._held: dict[Path, tuple[_Seal, Artefact]] = {}
        self._traces: dict[Path, dict[str, Trace]] = {}

    def newest(self, product: str, group: str, at: datetime) -> Artefact | None:
        """The newest fit that had learned from nothing after ``at``; None before the first. A file that is
        still the one read before is not read again: the same object comes back, and nobody may change it."""
        for path in sorted(self._folder(product, group).glob("*.fit"), reverse=True):
            found = _NAME.fullmatch(path.name)
            if found and _moment(found[1]) <= at and (loaded := self._loaded(path)) is not None:
                return loaded
        return None

    def _loaded(self, path: Path) -> Artefact | None:
        try:
            state = path.stat()
        except OSError:
            return None
        seal = path.name, state.st_ino, state.st_mtime_ns, state.st_size
        held = self._held.get(path.parent)
        if held is not None and held[0] == seal:
            return held[1]
        if (loaded := _load(path)) is not None:
            # One per group: whoever asks for an older moment reads again.
            self._held[path.parent] = seal, loaded
        return loaded

    def keep(self, product: str, group: str, artefact: Artefact) -> None:
        """Written whole or not at all; the oldest beyond a handful go."""
        folder = self._folder(product, group)
        _dump(artefact, folder / f"{artefact.fitted_at:%Y%m%dT%H%M%S}.fit")
        for old in sorted(folder.glob("*.fit"), reverse=True)[_KEPT:]:
            old.unlink(missing_ok=True)
        for former in folder.glob("*.joblib"):
            former.unlink(missing_ok=True)

    def traces(self, product: str, group: str) -> dict[str, Trace]:
        """What was read the last time, by name; empty where nothing is remembered. Whoever adds to it keeps
        it: it is true for ever, also where another process has read since."""
        folder = self._folder(product, group)
        if folder not in self._traces:
            loaded = _undump(folder / _READ)
            known = isinstance(loaded, dict) and all(isinstance(one, Trace) for one in loaded.values())
            self._traces[folder] = loaded if known else {}
        return self._traces[folder]

    def keep_traces(self, product: str, group: str) -> None:
        """On disk, for the next process, which else reads all once: no forecast waits for that."""
        folder = self._folder(product, group)
        try:
            _dump(self._traces.get(folder, {}), folder / _READ)
        except OSError as error:
            _log.warning("%s: what was read is not kept: %s", folder / _READ, error)

    def _folder(self, product: str, group: str) -> Path:
        # A group is named by people; only a plain name may become part of a path.
        plain = (
            group if re.fullmatch(r"[a-z0-9_-]{1,80}", group) else hashlib.sha256(group.encode()).hexdigest()
        )
        return self._directory / product / plain


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _load(path: Path) -> Artefact | None:
    """None for a file of another form or cut off by a crash: it is fitted anew."""
    loaded = _undump(path)
    return loaded if isinstance(loaded, Artefact) and loaded.form == FORM else None


def _undump(path: Path) -> Any:
    try:
        return pickle.loads(zlib.decompress(path.read_bytes()))  # noqa: S301 - the folder is private
    except _TORN:
        return None


def _dump(what: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A name of its own: a person may ask while the service keeps the same.
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}-", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            # A fleet of trees is a million small objects: joblib reads them ten times slower than pickle.
            file.write(zlib.compress(pickle.dumps(what, protocol=5), 1))
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
