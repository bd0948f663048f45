"""Writes down the virtual city for the platform: its city file, and the sessions of its devices.

The city file is the public format of the platform (version 1): it says `simulated = true`, and every
Thing says so again in words. Sessions are keys: their files belong to their owner alone (mode 0600).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from simulators.city import Access, City, Device, Way
from simulators.coverage import Coverage
from simulators.furniture import fixtures
from simulators.places import Place
from simulators.poles import LAMP, MODULES

_LICENCE = "dl-de/zero-2-0"
_SIMULATED = "Simuliert: gehört zur virtuellen Stadt, kein echter Messwert."
_POINT = {
    "verified": "Lage aus öffentlicher Quelle.",
    "verified_coarse": "Lage nur ungefähr (etwa 1 km).",
    "approx_500m": "Lage nur ungefähr (etwa 500 m).",
    "approx_1km": "Lage nur ungefähr (etwa 1 km).",
    "sim_only": "Lage erfunden.",
}


def city_file(city: City) -> str:
    """The text of the city file."""
    parts = ["format = 1", "", "[city]", 'name = "Castrop-Rauxel"', "simulated = true", ""]
    for gateway in city.gateways:
        name = f"Gateway {gateway.place.name}"
        parts += _thing(
            city,
            gateway.place,
            key=gateway.name,
            name=name,
            kind="gateway",
            theme="netz",
            closed="state",
            properties={"gateway_eui": gateway.eui.hex().upper()},
        )
        parts += _wired(gateway.name, "agent", "agent-health")
        parts += _wired(gateway.name, "gateway", "gateway-statistics")
    for pole in city.poles:
        parts += _thing(city, pole, key=pole.id, name=pole.name, kind="pole", theme="luft")
        for module in MODULES:
            if module != LAMP:
                parts += _wired(pole.id, module, f"pole-{module}")
        parts += _wired(pole.id, "agent", "agent-health")
        parts += _lamp(city, pole)
    for device in city.devices:
        parts += _thing(
            city,
            device.place,
            key=device.thing,
            name=device.name,
            kind=device.kind,
            theme=device.theme,
            closed=device.exemption if device.access is not Access.OPEN else None,
            note=device.note,
            properties=_site(device),
        )
        parts += _device(device)
    for one in fixtures(city):
        parts += _thing(
            city,
            one.place,
            key=one.key,
            name=one.name,
            kind=one.kind,
            theme=one.theme,
            note=one.note,
            properties=one.properties,
        )
    return "\n".join(parts)


def sessions_file(devices: Iterable[Device]) -> str:
    """The text of a sessions file with keys and codecs of the devices."""
    parts: list[str] = []
    for device in devices:
        keys = device.keys
        parts += [
            "[[session]]",
            f'dev_eui = "{keys.dev_eui.hex().upper()}"',
            f'dev_addr = "{keys.dev_addr.hex().upper()}"',
            f'nwk_s_key = "{keys.nwk_s_key.hex()}"',
            f'app_s_key = "{keys.app_s_key.hex()}"',
            f'codec = "{device.profile}"',
            "",
        ]
    return "\n".join(parts)


def known_to_gateway(city: City, coverage: Coverage, gateway: int) -> list[Device]:
    """Devices whose keys the agent of a gateway holds: those in its reach that are known at the edge."""
    return [
        device
        for device in city.devices
        if device.way is Way.RADIO and gateway in coverage.reach(device).gateways
    ]


def known_to_ingest(city: City) -> list[Device]:
    """All devices with a LoRaWAN session in the town's own network."""
    return [device for device in city.devices if not device.way.by_things_stack]


def write_public(path: Path, text: str) -> None:
    """Write a file that anyone may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_secret(path: Path, text: str) -> None:
    """Write a file only its owner may read, never readable in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _site(device: Device) -> dict[str, str]:
    """Bays and containers that stand together are one place for whoever looks for one."""
    together = device.kind in ("parking_bay", "paper_container")
    return {"site": device.place.id, "site_name": device.place.name} if together else {}


def _lamp(city: City, pole: Place) -> list[str]:
    """A Thing of its own: what a lamp draws is no measurement of the air around the pole."""
    parts = _thing(
        city,
        pole,
        key=f"{pole.id}-leuchte",
        name=f"Leuchte {pole.name}",
        kind="lamp",
        theme="energie",
        note="Leuchte am Pole, mit dem Helligkeitssensor, der sie steuert.",
    )
    return parts + _wired(pole.id, LAMP, f"pole-{LAMP}")


def _thing(
    city: City,
    place: Place,
    *,
    key: str,
    name: str,
    kind: str,
    theme: str,
    closed: str | None = None,
    note: str = "",
    properties: Mapping[str, str | int] = MappingProxyType({}),
) -> list[str]:
    district = city.places.districts[place.district]
    description = " ".join(part for part in (_SIMULATED, _POINT[place.confidence], note) if part)
    lines = [
        "[[thing]]",
        f"key = {_text(key)}",
        f"name = {_text(name)}",
        f"description = {_text(description)}",
        f"kind = {_text(kind)}",
        f"theme = {_text(theme)}",
        f"district = {_text(district.id)}",
        f"district_name = {_text(district.name)}",
        f"latitude = {place.latitude}",
        f"longitude = {place.longitude}",
    ]
    if closed:
        lines += ['access = "internal"', f"exemption = {_text(closed)}"]
    else:
        lines += ['access = "open"', f"licence = {_text(_LICENCE)}"]
    told = "".join(
        f", {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in properties.items()
    )
    return [*lines, f"properties = {{ simulated = true, coordinate = {_text(place.confidence)}{told} }}", ""]


def _device(device: Device) -> list[str]:
    lines = [
        "[[thing.device]]",
        f'dev_eui = "{device.keys.dev_eui.hex().upper()}"',
        f"profile = {_text(device.profile)}",
        f"expected_interval_s = {device.expected_interval_s}",
    ]
    if device.citizen:
        lines.append("citizen = true")
    if device.geometry:
        measures = ", ".join(f"{key} = {value}" for key, value in device.geometry.items())
        lines.append(f"geometry = {{ {measures} }}")
    return [*lines, ""]


def _wired(agent: str, sensor: str, profile: str) -> list[str]:
    return [
        "[[thing.wired]]",
        f"agent = {_text(agent)}",
        f"sensor = {_text(sensor)}",
        f"profile = {_text(profile)}",
        "",
    ]


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(value, ensure_ascii=False)
