"""Hand the sessions of the register to those who open frames: the TOML file that ingest and gateways read."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from edge.wire.identifiers import DevEUI
from udp.devices.register import DeviceRegister
from udp.errors import ConfigurationError


def session_tables(register: DeviceRegister) -> tuple[list[dict[str, Any]], set[DevEUI]]:
    """The sessions of devices in force, and every device the register knows, with or without one.

    ConfigurationError if the keys cannot be opened.
    """
    held = register.held()
    ours = {dev_eui for dev_eui, device in held.devices.items() if device.registered} | set(held.sealed)
    sessions: list[dict[str, Any]] = []
    for dev_eui in sorted(held.sealed):
        keys, device = register.keys(held, dev_eui), held.devices.get(dev_eui)
        if device is None or not device.in_force or not keys.has_session:
            continue
        secret = {name: getattr(keys, name).hex() for name in ("dev_addr", "nwk_s_key", "app_s_key")}
        restarts = {"counter_reset": True} if device.row["counter_reset"] else {}
        sessions.append({"dev_eui": str(dev_eui), **secret, "codec": str(device.row["codec"]), **restarts})
    return sessions, ours


def write_sessions(path: Path, sessions: Iterable[Mapping[str, Any]], ours: set[DevEUI]) -> int:
    """Make the file hold these sessions, mode 0600; those of devices not `ours` stay. How many it holds.

    The file is replaced in one step, so a reader sees the old one or the new one. ConfigurationError
    if what is there is no sessions file.
    """
    kept = [entry for entry in _entries(path) if DevEUI.parse(entry["dev_eui"]) not in ours]
    entries = [*kept, *map(dict, sessions)]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = tomli_w.dumps({"session": entries}).encode()
    if path.exists() and path.read_bytes() == content:
        return len(entries)
    # mkstemp makes it readable for the owner only, before there is anything to read.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return len(entries)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("session", [])
        for entry in entries:
            DevEUI.parse(entry["dev_eui"])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: is no sessions file; name another one or remove it") from error
    return list(entries)
