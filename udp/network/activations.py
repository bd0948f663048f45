"""Bring the sessions that joins gave from ChirpStack into the register, for those who open frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.wire.identifiers import DevEUI
from udp.devices.register import DeviceRegister
from udp.devices.vault import DeviceKeys
from udp.errors import ConfigurationError
from udp.network.connection import Connection
from udp.network.failures import Missing, NotPermitted
from udp.network.found import find_application, find_tenant, list_devices, read_session


@dataclass(slots=True)
class Activations:
    """What one round found. `later`: LoRaWAN 1.1, whose frames our keyring cannot check; `sealed`: the
    application key is kept by a join server."""

    news: set[DevEUI] = field(default_factory=set)
    unchanged: int = 0
    never_joined: int = 0
    later: list[DevEUI] = field(default_factory=list)
    sealed: list[DevEUI] = field(default_factory=list)


def read_activations(connection: Connection, register: DeviceRegister) -> Activations:
    """Keep the session of every device in force that joins and has one; all are kept at once or none.

    ConfigurationError where tenant or application do not exist or keys cannot be sealed.
    """
    tenant_id = find_tenant(connection)
    application_id = find_application(connection, tenant_id) if tenant_id else ""
    if not application_id:
        raise ConfigurationError(
            f"ChirpStack {connection.settings.server}: die Anwendung {connection.settings.application!r} "
            "gibt es noch nicht; erst udp chirpstack sync ausführen"
        )
    held = register.held()
    asked = [
        dev_eui
        for item in list_devices(connection, application_id)
        if (device := held.devices.get(dev_eui := DevEUI.parse(item.dev_eui))) is not None
        and device.in_force
        and not register.keys(held, dev_eui).personalised
    ]
    found = Activations()
    sessions: dict[DevEUI, DeviceKeys] = {}
    for dev_eui, session in zip(
        asked, connection.each(lambda one: _read(connection, one), asked), strict=True
    ):
        if (kept := _sorted_in(found, dev_eui, session)) is not None:
            sessions[dev_eui] = kept
    found.news = register.keep_sessions(sessions) if sessions else set()
    found.unchanged = len(sessions) - len(found.news)
    return found


def _read(connection: Connection, dev_eui: DevEUI) -> Any:
    try:
        return read_session(connection, dev_eui.hex())
    except (Missing, NotPermitted):
        return None  # deleted since it was listed


def _sorted_in(found: Activations, dev_eui: DevEUI, session: Any) -> DeviceKeys | None:
    if session is None:
        found.never_joined += 1
    elif len({session.nwk_s_enc_key, session.s_nwk_s_int_key, session.f_nwk_s_int_key}) > 1:
        found.later.append(dev_eui)
    elif len(session.app_s_key) != 32 or not int(session.app_s_key, 16):
        found.sealed.append(dev_eui)
    else:
        return DeviceKeys(
            dev_addr=bytes.fromhex(session.dev_addr),
            nwk_s_key=bytes.fromhex(session.f_nwk_s_int_key),
            app_s_key=bytes.fromhex(session.app_s_key),
            joined=True,
        )
    return None
