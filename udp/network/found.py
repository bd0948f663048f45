"""What ChirpStack holds of ours now: read once, before anything is compared or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chirpstack_api import api

from udp.errors import ConfigurationError
from udp.network.connection import Connection
from udp.network.failures import Missing, NotPermitted
from udp.network.wanted import Wanted, WantedDevice

TAG, TAG_PROFILE, TAG_THING = "udp", "udp_profile", "udp_thing"
"""Tags we own; every other tag is left alone."""


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device with its root keys (an api.DeviceKeys) or its session (an api.DeviceActivation), if any.

    Only what the comparison needs is read: keys of a device that joins, the session of one that does not.
    """

    device: Any
    keys: Any = field(default=None, repr=False)
    session: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """ChirpStack's own messages: `profiles` (ours) by the key of the wanted profile, the rest by lower-case
    EUI. Devices and gateways that are not ours are among them: who owns what is for the comparison to say.
    """

    tenant_id: str = ""
    application_id: str = ""
    profiles: Mapping[str, Any] = field(default_factory=dict)
    devices: Mapping[str, FoundDevice] = field(default_factory=dict)
    gateways: Mapping[str, Any] = field(default_factory=dict)


def read(connection: Connection, wanted: Wanted) -> Found:
    """Everything in our application and tenant, and where else wanted devices and gateways are.

    Empty ids where tenant or application do not exist yet.
    """
    tenant_id = find_tenant(connection)
    application_id = find_application(connection, tenant_id) if tenant_id else ""
    return Found(
        tenant_id=tenant_id,
        application_id=application_id,
        profiles=_profiles(connection, tenant_id) if tenant_id else {},
        devices=_devices(connection, application_id, wanted.devices),
        gateways=_gateways(connection, tenant_id, wanted),
    )


def find_tenant(connection: Connection) -> str:
    """The tenant's id, "" if it must still be made. ConfigurationError where it cannot be told."""
    settings = connection.settings
    if settings.tenant_id:
        what = f"Mandant {settings.tenant_id} ([chirpstack] tenant_id) lesen"
        return str(
            connection.call(
                connection.tenants.Get, api.GetTenantRequest(id=settings.tenant_id), what
            ).tenant.id
        )
    request = api.ListTenantsRequest(search=settings.tenant)
    try:
        listed = list(connection.pages(connection.tenants.List, request, "Mandanten lesen"))
    except NotPermitted as error:
        raise ConfigurationError(
            f"{error}. Ist es der Schlüssel eines Mandanten, dann [chirpstack] tenant_id setzen"
        ) from error
    return _only(listed, settings.tenant, "Mandanten", "tenant_id")


def find_application(connection: Connection, tenant_id: str) -> str:
    """The application's id, "" if it must still be made. ConfigurationError if there are two."""
    name = connection.settings.application
    request = api.ListApplicationsRequest(search=name, tenant_id=tenant_id)
    listed = list(connection.pages(connection.applications.List, request, "Anwendungen lesen"))
    return _only(listed, name, "Anwendungen", "application")


def _only(listed: list[Any], name: str, what: str, setting: str) -> str:
    ids = [str(one.id) for one in listed if one.name == name]
    if len(ids) > 1:
        raise ConfigurationError(
            f"ChirpStack: es gibt {len(ids)} {what} namens {name!r}; umbenennen oder [chirpstack] {setting} "
            "ändern"
        )
    return ids[0] if ids else ""


def _profiles(connection: Connection, tenant_id: str) -> dict[str, Any]:
    request = api.ListDeviceProfilesRequest(tenant_id=tenant_id, tenant_only=True)
    listed = list(connection.pages(connection.profiles.List, request, "Geräteprofile lesen"))

    def get(item: Any) -> Any:
        what = f"Geräteprofil {item.name} lesen"
        request = api.GetDeviceProfileRequest(id=item.id)
        return connection.call(connection.profiles.Get, request, what).device_profile

    found: dict[str, Any] = {}
    for profile in connection.each(get, listed):
        if profile.tags.get(TAG) == connection.settings.mark and profile.tenant_id == tenant_id:
            found.setdefault(profile.tags.get(TAG_PROFILE, ""), profile)
    return found


def _devices(
    connection: Connection, application_id: str, wanted: Mapping[str, WantedDevice]
) -> dict[str, FoundDevice]:
    listed = list_devices(connection, application_id) if application_id else []
    ids = list(dict.fromkeys([*(str(item.dev_eui) for item in listed), *wanted]))
    found = connection.each(lambda one: read_device(connection, one, wanted.get(one)), ids)
    return {one: device for one, device in zip(ids, found, strict=True) if device is not None}


def list_devices(connection: Connection, application_id: str) -> list[Any]:
    """Every device of the application, as list items."""
    request = api.ListDevicesRequest(
        application_id=application_id, order_by=api.ListDevicesRequest.OrderBy.DEV_EUI
    )
    return list(connection.pages(connection.devices.List, request, "Geräte lesen"))


def read_device(connection: Connection, dev_eui: str, wanted: WantedDevice | None) -> FoundDevice | None:
    """One device with what the comparison needs; None if there is none, or none we may see."""
    name = dev_eui.upper()
    try:
        request = api.GetDeviceRequest(dev_eui=dev_eui)
        device = connection.call(connection.devices.Get, request, f"Gerät {name} lesen").device
        if wanted is None or not wanted.keys:
            return FoundDevice(device)
        if wanted.keys.personalised:
            return FoundDevice(device, session=read_session(connection, dev_eui))
    except (Missing, NotPermitted):
        # To the key of a tenant, a device of somebody else and no device look alike.
        return None
    try:
        keys_request = api.GetDeviceKeysRequest(dev_eui=dev_eui)
        answer = connection.call(connection.devices.GetKeys, keys_request, f"Schlüssel von {name} lesen")
    except Missing:
        return FoundDevice(device)
    return FoundDevice(device, keys=answer.device_keys)


def read_session(connection: Connection, dev_eui: str) -> Any:
    """An api.DeviceActivation, or None if the device has no session."""
    request = api.GetDeviceActivationRequest(dev_eui=dev_eui)
    what = f"Sitzung von {dev_eui.upper()} lesen"
    answer = connection.call(connection.devices.GetActivation, request, what)
    return answer.device_activation if answer.HasField("device_activation") else None


def _gateways(connection: Connection, tenant_id: str, wanted: Wanted) -> dict[str, Any]:
    listed = list_gateways(connection, tenant_id) if tenant_id else []
    ids = list(dict.fromkeys([*(str(item.gateway_id) for item in listed), *wanted.gateways]))
    found = connection.each(lambda one: read_gateway(connection, one), ids)
    return {one: gateway for one, gateway in zip(ids, found, strict=True) if gateway is not None}


def read_gateway(connection: Connection, gateway_id: str) -> Any:
    """An api.Gateway; None if there is none, or none we may see."""
    request = api.GetGatewayRequest(gateway_id=gateway_id)
    try:
        what = f"Gateway {gateway_id.upper()} lesen"
        return connection.call(connection.gateways.Get, request, what).gateway
    except (Missing, NotPermitted):
        return None


def list_gateways(connection: Connection, tenant_id: str) -> list[Any]:
    """Every gateway of the tenant, as list items."""
    request = api.ListGatewaysRequest(
        tenant_id=tenant_id, order_by=api.ListGatewaysRequest.OrderBy.GATEWAY_ID
    )
    return list(connection.pages(connection.gateways.List, request, "Gateways lesen"))
