"""Compare what shall be with what is, and say it so that a clerk can approve it; nothing is changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from udp.network.found import TAG, TAG_PROFILE, TAG_THING, Found, FoundDevice
from udp.network.settings import ChirpStackSettings
from udp.network.wanted import Wanted, WantedDevice, WantedGateway, WantedProfile

# ChirpStack moves a gateway to where its own GPS says; nearer than this the two mean the same place.
_SAME_PLACE_M = 100.0
_NO_KEY = "0" * 32


class Action(StrEnum):
    """What happens to one thing; the words are what people read."""

    MAKE = "neu"
    CHANGE = "ändern"
    DELETE = "löschen"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `kind`: Mandant, Anwendung, Profil, Gateway, Gerät; `key`: as in Wanted."""

    action: Action
    kind: str
    key: str
    told: str

    def __str__(self) -> str:
        return f"{self.action:<8} {self.kind} {self.told}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` in the order in which they must be done, `surplus`: what only deleting would mend,
    `notes`: what is left alone and why, `unchanged`: how many devices and gateways are as they shall be."""

    steps: tuple[Step, ...]
    surplus: tuple[Step, ...]
    notes: tuple[str, ...]
    unchanged: int


def compare(wanted: Wanted, found: Found, settings: ChirpStackSettings, *, adopt: bool = False) -> Plan:
    """What a sync has to do. `adopt`: take over devices and gateways that others made."""
    steps = [*_places(found, settings), *_profile_steps(wanted, found)]
    notes = [f"ausgelassen: {one}" for one in wanted.left_out]
    unchanged = 0
    for gateway in wanted.gateways.values():
        outcome = _gateway(gateway, found, settings, adopt)
        unchanged += outcome is None
        _put(outcome, steps, notes)
    for device in wanted.devices.values():
        device_outcome = _device(device, wanted, found, settings, adopt)
        unchanged += device_outcome is None
        _put(device_outcome, steps, notes)
    return Plan(tuple(steps), tuple(_surplus(wanted, found, settings)), tuple(notes), unchanged)


def _put(outcome: Step | str | None, steps: list[Step], notes: list[str]) -> None:
    if isinstance(outcome, Step):
        steps.append(outcome)
    elif outcome is not None:
        notes.append(outcome)


def _places(found: Found, settings: ChirpStackSettings) -> Iterator[Step]:
    if not found.tenant_id:
        yield Step(Action.MAKE, "Mandant", settings.tenant, settings.tenant)
    if not found.application_id:
        yield Step(Action.MAKE, "Anwendung", settings.application, settings.application)


def _profile_steps(wanted: Wanted, found: Found) -> Iterator[Step]:
    used = {one.profile for one in wanted.devices.values() if one.keys or one.id in found.devices}
    for key, profile in sorted(wanted.profiles.items()):
        if key not in used:
            continue
        if key not in found.profiles:
            yield Step(Action.MAKE, "Profil", key, f"{profile.name} ({profile.description})")
        elif changes := profile_changes(profile, found.profiles[key]):
            yield Step(Action.CHANGE, "Profil", key, f"{profile.name}: {'; '.join(changes)}")


def profile_changes(wanted: WantedProfile, found: Any) -> list[str]:
    """What differs of that which is ours; radio parameters are ChirpStack's once the profile is made."""
    changes = [
        *_text("Name", found.name, wanted.name),
        *_text("Beschreibung", found.description, wanted.description),
    ]
    if found.uplink_interval != wanted.interval_s:
        changes.append(f"Abstand der Meldungen {wanted.interval_s} statt {found.uplink_interval} s")
    if found.supports_otaa != wanted.joins:
        changes.append("Aktivierung " + ("OTAA statt ABP" if wanted.joins else "ABP statt OTAA"))
    return changes


def _gateway(
    wanted: WantedGateway, found: Found, settings: ChirpStackSettings, adopt: bool
) -> Step | str | None:
    name = f"{wanted.eui} {wanted.name} ({wanted.thing})"
    there = found.gateways.get(wanted.id)
    if there is None:
        return Step(Action.MAKE, "Gateway", wanted.id, name)
    if there.tenant_id != found.tenant_id:
        return f"fremd: Gateway {name}: gehört einem anderen Mandanten; dort löschen oder dort lassen"
    if there.tags.get(TAG) != settings.mark and not adopt:
        return f"fremd: Gateway {name}: nicht von hier angelegt; mit --adopt übernehmen"
    changes = gateway_changes(wanted, there, settings)
    return Step(Action.CHANGE, "Gateway", wanted.id, f"{name}: {'; '.join(changes)}") if changes else None


def gateway_changes(wanted: WantedGateway, found: Any, settings: ChirpStackSettings) -> list[str]:
    """What differs of that which is ours."""
    changes = [
        *_text("Name", found.name, wanted.name),
        *_text("Beschreibung", found.description, wanted.description),
    ]
    if metres := moved_m(wanted, found.location):
        changes.append(f"Ort um {metres:.0f} m versetzt")
    return changes + _marks(found.tags, gateway_tags(wanted, settings))


def _device(
    wanted: WantedDevice, every: Wanted, found: Found, settings: ChirpStackSettings, adopt: bool
) -> Step | str | None:
    name = f"{wanted.dev_eui} {wanted.name} ({wanted.thing})"
    there = found.devices.get(wanted.id)
    if there is None:
        if not wanted.keys:
            return (
                f"ausgelassen: Gerät {name}: kein Schlüssel im Verzeichnis, ohne ihn kann es nicht beitreten"
            )
        return Step(Action.MAKE, "Gerät", wanted.id, f"{name}, {every.profiles[wanted.profile].name}")
    if there.device.application_id != found.application_id:
        return f"fremd: Gerät {name}: in einer anderen Anwendung; dort löschen oder dort lassen"
    if there.device.tags.get(TAG) != settings.mark and not adopt:
        return f"fremd: Gerät {name}: nicht von hier angelegt; mit --adopt übernehmen"
    changes = device_changes(wanted, there, every, found, settings) + secret_changes(wanted, there)
    return Step(Action.CHANGE, "Gerät", wanted.id, f"{name}: {'; '.join(changes)}") if changes else None


def device_changes(
    wanted: WantedDevice, found: FoundDevice, every: Wanted, all_found: Found, settings: ChirpStackSettings
) -> list[str]:
    """What differs of the device itself."""
    there = found.device
    changes = [
        *_text("Name", there.name, wanted.name),
        *_text("Beschreibung", there.description, wanted.description),
    ]
    if wanted.join_eui:
        changes += _text("JoinEUI", there.join_eui.upper(), wanted.join_eui.upper())
    profile = all_found.profiles.get(wanted.profile)
    if profile is None or profile.id != there.device_profile_id:
        changes.append(f"Profil {every.profiles[wanted.profile].name}")
    return changes + _marks(there.tags, device_tags(wanted, settings))


def secret_changes(wanted: WantedDevice, found: FoundDevice) -> list[str]:
    """What differs of keys or session; they are never shown."""
    if wanted.keys.personalised:
        return [] if _same_session(wanted, found.session) else ["Sitzung (ABP) eintragen"]
    if wanted.keys.app_key is None:
        return []
    if found.keys is None:
        return ["Schlüssel eintragen"]
    nwk_key, app_key = root_keys(wanted)
    # Below LoRaWAN 1.1 the second field means nothing; whatever stands there may stay.
    second = wanted.keys.nwk_key is not None and found.keys.app_key != app_key
    return ["Schlüssel ersetzen"] if second or found.keys.nwk_key != nwk_key else []


def root_keys(wanted: WantedDevice) -> tuple[str, str]:
    """nwk_key and app_key as ChirpStack has them: below LoRaWAN 1.1 the AppKey stands in nwk_key
    (api/device.proto, DeviceKeys)."""
    app_key = b"" if wanted.keys.app_key is None else wanted.keys.app_key
    if wanted.keys.nwk_key is None:
        return app_key.hex(), _NO_KEY
    return wanted.keys.nwk_key.hex(), app_key.hex()


def _same_session(wanted: WantedDevice, session: Any) -> bool:
    keys = wanted.keys
    if session is None or keys.dev_addr is None or keys.nwk_s_key is None or keys.app_s_key is None:
        return False
    network = {session.nwk_s_enc_key, session.s_nwk_s_int_key, session.f_nwk_s_int_key}
    return (session.dev_addr, session.app_s_key, network) == (
        keys.dev_addr.hex(),
        keys.app_s_key.hex(),
        {keys.nwk_s_key.hex()},
    )


def device_tags(wanted: WantedDevice, settings: ChirpStackSettings) -> dict[str, str]:
    """Our tags of a device."""
    kind = wanted.profile.partition("/")[0]
    return {TAG: settings.mark, TAG_THING: wanted.thing, TAG_PROFILE: kind}


def gateway_tags(wanted: WantedGateway, settings: ChirpStackSettings) -> dict[str, str]:
    """Our tags of a gateway."""
    return {TAG: settings.mark, TAG_THING: wanted.thing}


def _surplus(wanted: Wanted, found: Found, settings: ChirpStackSettings) -> Iterator[Step]:
    """Ours, but no longer wanted; what the register knows and we only left out is not among them."""
    for key, gateway in sorted(found.gateways.items()):
        ours = gateway.tags.get(TAG) == settings.mark and gateway.tenant_id == found.tenant_id
        if ours and key not in wanted.gateways:
            yield Step(Action.DELETE, "Gateway", key, f"{key.upper()} {gateway.name}")
    for key, one in sorted(found.devices.items()):
        ours = one.device.tags.get(TAG) == settings.mark and one.device.application_id == found.application_id
        if ours and key not in wanted.devices and key not in wanted.in_force:
            yield Step(Action.DELETE, "Gerät", key, f"{key.upper()} {one.device.name}")


def _text(what: str, found: str, wanted: str) -> list[str]:
    return [] if found == wanted else [f"{what} „{wanted}“ statt „{found}“"]


def _marks(found: Any, wanted: dict[str, str]) -> list[str]:
    changed = [key for key, value in wanted.items() if found.get(key) != value]
    return [f"Marke {', '.join(changed)} setzen"] if changed else []


def moved_m(wanted: WantedGateway, location: Any) -> float:
    """How far apart the two places are in m, 0 if they mean the same; flat-earth, good enough for that."""
    north = (location.latitude - wanted.latitude) * 111_320.0
    east = (location.longitude - wanted.longitude) * 111_320.0 * math.cos(math.radians(wanted.latitude))
    distance = math.hypot(north, east)
    return distance if distance > _SAME_PLACE_M else 0.0
