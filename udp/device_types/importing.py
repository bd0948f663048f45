"""Bring a foreign description in as files of ours: profile, codec as published, examples."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from udp.device_types.chirpstack import (
    read_api_profile,
    read_repository_device,
    read_repository_vendor,
)
from udp.device_types.device_repository import read_device_repository
from udp.device_types.examples import examples_file, examples_text
from udp.device_types.flat import same_field
from udp.device_types.foreign import ForeignType
from udp.device_types.guess import Proposal, propose
from udp.device_types.profile_text import profile_text
from udp.errors import ConfigurationError
from udp.registry.profiles import read_profile
from udp.sensorthings import ObservedProperty

_MAKER_SUFFIXES = ("-iot", "-technology")


@dataclass(frozen=True, slots=True)
class Imported:
    """One profile written. `open_fields`: fields a person still has to decide about."""

    name: str
    codec: str
    channels: int
    examples: int
    open_fields: tuple[str, ...]


def read_types(path: Path) -> list[ForeignType]:
    """What the path describes. ConfigurationError if it is no description known here."""
    if path.is_dir():
        of_chirpstack = (path / "devices").is_dir() and not (path / "index.yaml").exists()
        return read_repository_vendor(path) if of_chirpstack else read_device_repository(path)
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return read_device_repository(path)
    if suffix == ".json":
        return [read_api_profile(path)]
    if suffix == ".toml":
        return [read_repository_device(path)]
    raise ConfigurationError(
        f"{path}: expected a vendor's folder or device file (.yaml, .toml) of The Things Network's device "
        "repository or of ChirpStack's profile repository, or a device profile from ChirpStack's API (.json)"
    )


def native_codec(kind: ForeignType, natives: Collection[str]) -> str | None:
    """The decoder of ours for the same device, by its usual name."""
    makers = [kind.vendor] + [
        kind.vendor.removesuffix(suffix) for suffix in _MAKER_SUFFIXES if kind.vendor.endswith(suffix)
    ]
    names = [replace(kind, vendor=maker).name for maker in makers]
    return next((name for name in names if name in natives), None)


def write_type(
    kind: ForeignType,
    folder: Path,
    *,
    name: str,
    native: str | None,
    properties: Mapping[str, ObservedProperty],
) -> Imported:
    """Write <name>.toml, <name>.examples.json and, without a native decoder, <name>.js into `folder`.

    The profile is proven readable before anything is in place. ConfigurationError if a file is there.
    """
    codec = native or f"{name}.js"
    proposals = propose(kind.examples, tuple(kind.labels))
    if native is not None:
        proposals = [_as_native(one) for one in proposals]
    texts = {folder / f"{name}.toml": profile_text(kind, name, codec, proposals)}
    if kind.examples:
        texts[examples_file(folder, name)] = examples_text(kind.examples)
    if native is None:
        texts[folder / codec] = kind.script
    for path in texts:
        if path.exists():
            raise ConfigurationError(f"{path}: is there already; remove it or choose another --name")
    with tempfile.TemporaryDirectory() as trial:
        attempt = Path(trial) / f"{name}.toml"
        attempt.write_text(texts[folder / f"{name}.toml"], encoding="utf-8")
        profile = read_profile(attempt, properties)
    folder.mkdir(parents=True, exist_ok=True)
    # The profile last: a profile in place has its codec beside it.
    for path, text in reversed(texts.items()):
        path.write_text(text, encoding="utf-8")
    return Imported(
        name=name,
        codec=codec,
        channels=len(profile.channels),
        examples=len(kind.examples),
        open_fields=tuple(one.field for one in proposals if one.quantity is None),
    )


def _as_native(proposal: Proposal) -> Proposal:
    return replace(proposal, field=same_field(proposal.field))
