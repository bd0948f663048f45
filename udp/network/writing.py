"""Write wanted things into ChirpStack, each over what is there: fields that are not ours stay as they are."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api, common

from udp.errors import ConfigurationError
from udp.network.connection import Connection
from udp.network.difference import (
    device_changes,
    device_tags,
    gateway_tags,
    moved_m,
    root_keys,
    secret_changes,
)
from udp.network.failures import Exists
from udp.network.found import TAG, TAG_PROFILE, Found, FoundDevice, read_device, read_gateway
from udp.network.port import NetworkRefused
from udp.network.settings import ChirpStackSettings
from udp.network.wanted import Wanted, WantedDevice, WantedProfile

# Where a device that never joins listens for downlinks (LoRaWAN RP002-1.0.4, 2.4.7): data rate, Hz.
_RX2 = {"EU868": (0, 869_525_000)}
_REVISIONS = {"1.0.0": "A", "1.0.1": "A", "1.0.2": "B", "1.0.3": "A", "1.0.4": "RP002_1_0_3"}
_DESCRIPTION = "Aus dem Geräteverzeichnis der Urban Data Platform; dort ändern, nicht hier"


class Writer:
    """Makes and changes; knows what is there and what ids new things got. For use from several threads."""

    def __init__(self, connection: Connection, wanted: Wanted, found: Found) -> None:
        self._connection = connection
        self._settings = connection.settings
        self._wanted = wanted
        self._found = found
        self._tenant_id = found.tenant_id
        self._application_id = found.application_id
        self._profile_ids = {key: str(profile.id) for key, profile in found.profiles.items()}

    def make_place(self, kind: str) -> None:
        """Make the tenant ("Mandant") or the application ("Anwendung")."""
        connection, settings = self._connection, self._settings
        common_fields: dict[str, Any] = {"description": _DESCRIPTION, "tags": {TAG: settings.mark}}
        # Names are not unique in ChirpStack: a repetition would make a second one.
        if kind == "Mandant":
            tenant = api.Tenant(name=settings.tenant, can_have_gateways=True, **common_fields)
            tenant_request = api.CreateTenantRequest(tenant=tenant)
            what = f"Mandant {settings.tenant} anlegen"
            self._tenant_id = str(connection.call_once(connection.tenants.Create, tenant_request, what).id)
            return
        application = api.Application(name=settings.application, tenant_id=self._tenant_id, **common_fields)
        request = api.CreateApplicationRequest(application=application)
        what = f"Anwendung {settings.application} anlegen"
        self._application_id = str(connection.call_once(connection.applications.Create, request, what).id)

    def put_profile(self, key: str) -> None:
        """Make or change a device profile."""
        connection, wanted = self._connection, self._wanted.profiles[key]
        there = self._found.profiles.get(key)
        profile = api.DeviceProfile()
        if there is None:
            _fill_new_profile(profile, wanted, self._settings)
            profile.tenant_id = self._tenant_id
        else:
            profile.CopyFrom(there)
        profile.name, profile.description = wanted.name, wanted.description
        profile.uplink_interval = wanted.interval_s
        profile.supports_otaa = wanted.joins
        profile.tags.update({TAG: self._settings.mark, TAG_PROFILE: key})
        if not wanted.joins:
            _fill_abp(profile, self._settings.region)
        if there is not None:
            request = api.UpdateDeviceProfileRequest(device_profile=profile)
            connection.call(connection.profiles.Update, request, f"Profil {wanted.name} ändern")
            return
        new = api.CreateDeviceProfileRequest(device_profile=profile)
        answer = connection.call_once(connection.profiles.Create, new, f"Profil {wanted.name} anlegen")
        self._profile_ids[key] = str(answer.id)

    def put_gateway(self, key: str) -> None:
        """Make or change a gateway."""
        connection, wanted = self._connection, self._wanted.gateways[key]
        there = self._found.gateways.get(key)
        gateway = api.Gateway(gateway_id=key, tenant_id=self._tenant_id, stats_interval=30)
        if there is not None:
            gateway.CopyFrom(there)
        gateway.name, gateway.description = wanted.name, wanted.description
        if there is None or moved_m(wanted, there.location):
            place = gateway.location
            place.latitude, place.longitude, place.altitude = (
                wanted.latitude,
                wanted.longitude,
                wanted.altitude,
            )
        gateway.tags.update(gateway_tags(wanted, self._settings))
        what = f"Gateway {wanted.eui}"
        if there is None:
            self._make_gateway(gateway, what)
        else:
            request = api.UpdateGatewayRequest(gateway=gateway)
            connection.call(connection.gateways.Update, request, f"{what} ändern")

    def _make_gateway(self, gateway: Any, what: str) -> None:
        connection = self._connection
        try:
            connection.call(
                connection.gateways.Create, api.CreateGatewayRequest(gateway=gateway), f"{what} anlegen"
            )
        except Exists:
            # Perhaps our own try whose answer was lost.
            there = read_gateway(connection, gateway.gateway_id)
            if there is None or there.tags.get(TAG) != self._settings.mark:
                raise

    def put_device(self, key: str) -> None:
        """Make or change a device, then its keys or its session."""
        wanted = self._wanted.devices[key]
        there = self._found.devices.get(key) or self._made(wanted)
        if device_changes(wanted, there, self._wanted, self._found, self._settings):
            device = self._filled(wanted, there.device)
            if device != there.device:
                request = api.UpdateDeviceRequest(device=device)
                self._call("Update", request, f"Gerät {wanted.dev_eui} ändern")
        if secret_changes(wanted, there):
            self._put_secrets(wanted, there)

    def delete_device(self, key: str) -> None:
        """Delete a device, its keys and its queue."""
        self._call("Delete", api.DeleteDeviceRequest(dev_eui=key), f"Gerät {key.upper()} löschen")

    def delete_gateway(self, key: str) -> None:
        """Delete a gateway."""
        request = api.DeleteGatewayRequest(gateway_id=key)
        what = f"Gateway {key.upper()} löschen"
        self._connection.call(self._connection.gateways.Delete, request, what)

    def _made(self, wanted: WantedDevice) -> FoundDevice:
        device = self._filled(wanted, None)
        try:
            self._call("Create", api.CreateDeviceRequest(device=device), f"Gerät {wanted.dev_eui} anlegen")
        except Exists:
            # Either our own try whose answer was lost, or somebody's device we were not allowed to see.
            there = read_device(self._connection, wanted.id, wanted)
            if there is None or not self._ours(there):
                raise
            return there
        return FoundDevice(device)

    def _ours(self, there: FoundDevice) -> bool:
        device = there.device
        here = device.application_id == self._application_id
        return bool(here and device.tags.get(TAG) == self._settings.mark)

    def _filled(self, wanted: WantedDevice, there: Any) -> Any:
        profile_id = self._profile_ids.get(wanted.profile)
        if profile_id is None:
            name = self._wanted.profiles[wanted.profile].name
            raise NetworkRefused(f"Gerät {wanted.dev_eui}: das Profil {name} ließ sich nicht anlegen")
        device = api.Device(dev_eui=wanted.id, application_id=self._application_id)
        if there is not None:
            device.CopyFrom(there)
        device.name, device.description = wanted.name, wanted.description
        device.device_profile_id = profile_id
        device.join_eui = wanted.join_eui or device.join_eui
        device.tags.update(device_tags(wanted, self._settings))
        return device

    def _put_secrets(self, wanted: WantedDevice, there: FoundDevice) -> None:
        if wanted.keys.personalised:
            request = api.ActivateDeviceRequest(device_activation=_activation(wanted))
            self._call("Activate", request, f"Sitzung von {wanted.dev_eui} eintragen")
            return
        nwk_key, app_key = root_keys(wanted)
        keys = api.DeviceKeys(dev_eui=wanted.id, nwk_key=nwk_key, app_key=app_key)
        what = f"Schlüssel von {wanted.dev_eui} eintragen"
        if there.keys is None:
            try:
                self._call("CreateKeys", api.CreateDeviceKeysRequest(device_keys=keys), what)
            except Exists:
                self._call("UpdateKeys", api.UpdateDeviceKeysRequest(device_keys=keys), what)
            return
        keys.gen_app_key = there.keys.gen_app_key
        self._call("UpdateKeys", api.UpdateDeviceKeysRequest(device_keys=keys), what)
        # Numbers used up under the old key mean nothing under the new one, but would bar the device's joins.
        self._call("FlushDevNonces", api.FlushDevNoncesRequest(dev_eui=wanted.id), what)

    def _call(self, method: str, request: Any, what: str) -> None:
        self._connection.call(getattr(self._connection.devices, method), request, what)


def _activation(wanted: WantedDevice) -> Any:
    keys = wanted.keys
    if keys.dev_addr is None or keys.nwk_s_key is None or keys.app_s_key is None:
        raise ValueError(f"{wanted.dev_eui} has no session to write")
    # LoRaWAN 1.0: one network key stands in all three places (api/device.proto, DeviceActivation).
    network = keys.nwk_s_key.hex()
    return api.DeviceActivation(
        dev_eui=wanted.id,
        dev_addr=keys.dev_addr.hex(),
        app_s_key=keys.app_s_key.hex(),
        nwk_s_enc_key=network,
        s_nwk_s_int_key=network,
        f_nwk_s_int_key=network,
    )


def _fill_new_profile(profile: Any, wanted: WantedProfile, settings: ChirpStackSettings) -> None:
    regions = list(common.Region.keys())
    if settings.region not in regions:
        known = ", ".join(regions)
        raise ConfigurationError(f"[chirpstack] region {settings.region!r} gibt es nicht; bekannt: {known}")
    mac_version = "1.1.0" if wanted.lorawan_1_1 else settings.mac_version
    profile.region = common.Region.Value(settings.region)
    profile.mac_version = common.MacVersion.Value("LORAWAN_" + mac_version.replace(".", "_"))
    profile.reg_params_revision = common.RegParamsRevision.Value(_REVISIONS.get(mac_version, "B"))
    profile.adr_algorithm_id = "default"
    # Once a day the device is asked for battery and margin.
    profile.device_status_req_interval = 1
    # The platform decodes; a device that joins anew has other plans than those that waited for it.
    profile.flush_queue_on_activate = True


def _fill_abp(profile: Any, region: str) -> None:
    if profile.abp_rx2_freq:
        return
    if region not in _RX2:
        raise ConfigurationError(
            f"[chirpstack] region {region}: für ABP ist das zweite Empfangsfenster hier nur für "
            f"{', '.join(_RX2)} bekannt; die Geräte auf OTAA umstellen"
        )
    profile.abp_rx1_delay = 1
    profile.abp_rx2_dr, profile.abp_rx2_freq = _RX2[region]
