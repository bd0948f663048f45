"""Read the sessions somebody trusts us with from their TOML file, or say what is wrong with it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge.wire.identifiers import DevAddr, DevEUI

_TEXTS: Final = frozenset({"dev_eui", "dev_addr", "nwk_s_key", "app_s_key", "codec"})
_SESSION_KEYS: Final = _TEXTS | {"counter_reset"}


@dataclass(frozen=True, slots=True)
class Session:
    """What a join gave a device: an address and two keys, until it joins again.

    `counter_reset`: the device (ABP) begins its FCnt anew when its battery is changed, and whoever
    answers for it accepts that somebody may send its recorded frames again.
    """

    dev_eui: DevEUI
    dev_addr: DevAddr
    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)
    codec: str | None = None
    counter_reset: bool = False


class SessionsFileError(ValueError):
    """The sessions file cannot be used as it stands; names file, entry and remedy."""


def read_sessions(path: Path) -> list[Session]:
    """The sessions in a TOML file of [[session]] tables; SessionsFileError if there is anything wrong."""
    try:
        with path.open("rb") as file:
            entries = tomllib.load(file).get("session", [])
    except OSError as error:
        raise SessionsFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SessionsFileError(f"{path}: not valid TOML: {error}") from error
    if not isinstance(entries, list):
        raise SessionsFileError(f"{path}: write each session as [[session]]")
    return [session_of(entry, f"{path}: session {number}") for number, entry in enumerate(entries, start=1)]


def session_of(entry: Any, where: str) -> Session:
    """The session in one table; SessionsFileError names `where` it stands and what is wrong."""
    if not isinstance(entry, dict) or not all(isinstance(entry[key], str) for key in _TEXTS & set(entry)):
        raise SessionsFileError(f"{where}: expected a table of texts")
    if not isinstance(entry.get("counter_reset", False), bool):
        raise SessionsFileError(f"{where}: counter_reset is true or false")
    if unknown := sorted(set(entry) - _SESSION_KEYS):
        raise SessionsFileError(
            f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_SESSION_KEYS))}"
        )
    try:
        return Session(
            dev_eui=DevEUI.parse(entry["dev_eui"]),
            dev_addr=DevAddr.parse(entry["dev_addr"]),
            nwk_s_key=_key(entry["nwk_s_key"]),
            app_s_key=_key(entry["app_s_key"]),
            codec=entry.get("codec"),
            counter_reset=entry.get("counter_reset", False),
        )
    except KeyError as error:
        raise SessionsFileError(f"{where}: key {error} is missing") from error
    except ValueError as error:
        raise SessionsFileError(f"{where}: {error}") from error


def _key(digits: str) -> bytes:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise ValueError("a session key has 32 hex digits")  # never quote it: it may be nearly right
    return key
