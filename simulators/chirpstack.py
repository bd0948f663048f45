"""What ChirpStack v4 would publish about the devices it knows: integration events, JSON or protobuf.

Messages are those of `chirpstack_api.integration`. The JSON is ChirpStack's own dialect of protobuf
JSON (pbjson): camelCase, defaults written out in the event, left out in the gateway's rxInfo and txInfo.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chirpstack_api import common, gw, integration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from simulators.almanac import DAY
from simulators.city import City, Device, digest
from simulators.coverage import Heard
from simulators.uplinks import Uplink

_DATA_RATES = {12: 0, 11: 1, 10: 2, 9: 3, 8: 4, 7: 5}
_REGION = "eu868"
_NESTED = ("rx_info", "tx_info")


@dataclass(frozen=True, slots=True)
class Event:
    """One integration event; `kind` as in the topic (up, join, ack, txack, log, status, location)."""

    kind: str
    device: Device
    message: Message
    application: str

    @property
    def topic(self) -> str:
        """Topic of ChirpStack's MQTT integration."""
        return f"application/{self.application}/device/{self.device.keys.dev_eui.hex()}/event/{self.kind}"


class ChirpStack:
    """The virtual network server: turns uplinks into the events it would publish."""

    def __init__(self, city: City) -> None:
        self._city = city
        self.application = self._uuid("application")
        self._infos: dict[int, Any] = {}

    def events(self, uplink: Uplink) -> Iterator[Event]:
        """Everything ChirpStack has to say on this uplink, in its order.

        The first frame of a session follows a join, the first of a day brings the device status,
        once a week a device is configured by a downlink that it acknowledges. A repetition of the
        same frame counter is no uplink for ChirpStack: it only logs it.
        """
        if uplink.repeat:
            yield self.log(uplink, "UPLINK_F_CNT_RETRANSMISSION", "Uplink was flagged as re-transmission")
            return
        if uplink.f_cnt == 0:
            yield self.join(uplink)
        yield self.up(uplink)
        device = uplink.device
        if uplink.time % DAY < device.interval_s:
            yield self.status(uplink)
            weekday = int(uplink.time // DAY) % 7
            if (device.index + weekday) % 7 == 0 and uplink.heard:
                yield self.tx_ack(uplink)
                yield self.ack(uplink)
                yield self.location(uplink)

    def up(self, uplink: Uplink) -> Event:
        """The uplink itself with everybody who heard it."""
        message = integration.UplinkEvent(
            deduplication_id=self._uuid("up", uplink.device.thing, uplink.f_cnt),
            device_info=self._info(uplink.device),
            dev_addr=uplink.device.keys.dev_addr.hex(),
            adr=True,
            dr=_DATA_RATES[uplink.spreading_factor],
            f_cnt=uplink.f_cnt,
            f_port=uplink.f_port,
            data=uplink.payload,
            rx_info=[self._rx_info(uplink, heard) for heard in uplink.heard],
            tx_info=gw.UplinkTxInfo(frequency=uplink.frequency_hz, modulation=_modulation(uplink)),
            region_config_id=_REGION,
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("up", uplink.device, message)

    def join(self, uplink: Uplink) -> Event:
        """The device has a new session."""
        message = integration.JoinEvent(
            deduplication_id=self._uuid("join", uplink.device.thing, uplink.f_cnt),
            device_info=self._info(uplink.device),
            dev_addr=uplink.device.keys.dev_addr.hex(),
            region_config_id=_REGION,
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("join", uplink.device, message)

    def status(self, uplink: Uplink) -> Event:
        """Margin and battery as the device answered (DevStatusAns)."""
        message = integration.StatusEvent(
            deduplication_id=self._uuid("status", uplink.device.thing, uplink.f_cnt),
            device_info=self._info(uplink.device),
            margin=10 + uplink.f_cnt % 12,
            external_power_source=False,
            battery_level_unavailable=uplink.device.kind == "weather_station",
            battery_level=0.0 if uplink.device.kind == "weather_station" else 60.0 + uplink.device.index % 40,
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("status", uplink.device, message)

    def ack(self, uplink: Uplink) -> Event:
        """The device confirmed a downlink."""
        message = integration.AckEvent(
            deduplication_id=self._uuid("ack", uplink.device.thing, uplink.f_cnt),
            device_info=self._info(uplink.device),
            queue_item_id=self._uuid("queue", uplink.device.thing, uplink.f_cnt),
            acknowledged=True,
            f_cnt_down=uplink.f_cnt // 7,
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("ack", uplink.device, message)

    def tx_ack(self, uplink: Uplink) -> Event:
        """A gateway has sent a downlink."""
        message = integration.TxAckEvent(
            downlink_id=1 + uplink.f_cnt,
            device_info=self._info(uplink.device),
            queue_item_id=self._uuid("queue", uplink.device.thing, uplink.f_cnt),
            f_cnt_down=uplink.f_cnt // 7,
            gateway_id=self._gateway(uplink.heard[0]).hex(),
            tx_info=gw.DownlinkTxInfo(
                frequency=uplink.frequency_hz, power=16, modulation=_modulation(uplink), context=b"\x00" * 4
            ),
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("txack", uplink.device, message)

    def log(self, uplink: Uplink, code: str, description: str) -> Event:
        """Something ChirpStack did not like; `code` is a name of integration.LogCode."""
        message = integration.LogEvent(
            device_info=self._info(uplink.device),
            level=integration.LogLevel.Value("WARNING"),
            code=integration.LogCode.Value(code),
            description=description,
            context={"deduplication_id": self._uuid("up", uplink.device.thing, uplink.f_cnt)},
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("log", uplink.device, message)

    def location(self, uplink: Uplink) -> Event:
        """Where the device is, as it was configured."""
        place = uplink.device.place
        message = integration.LocationEvent(
            deduplication_id=self._uuid("location", uplink.device.thing, uplink.f_cnt),
            device_info=self._info(uplink.device),
            location=common.Location(
                latitude=place.latitude, longitude=place.longitude, source=common.LocationSource.CONFIG
            ),
        )
        message.time.FromDatetime(uplink.moment)
        return self._event("location", uplink.device, message)

    def _event(self, kind: str, device: Device, message: Message) -> Event:
        return Event(kind, device, message, self.application)

    def _info(self, device: Device) -> Any:
        if device.index not in self._infos:
            self._infos[device.index] = integration.DeviceInfo(
                tenant_id=self._uuid("tenant"),
                tenant_name="Stadt Castrop-Rauxel (simuliert)",
                application_id=self.application,
                application_name="virtuelle-stadt",
                device_profile_id=self._uuid("profile", device.profile),
                device_profile_name=device.profile,
                device_name=device.thing,
                dev_eui=device.keys.dev_eui.hex(),
                device_class_enabled=common.DeviceClass.CLASS_A,
                tags={"thing": device.thing, "simulated": "true"},
            )
        return self._infos[device.index]

    def _rx_info(self, uplink: Uplink, heard: Heard) -> Any:
        gateway = self._city.gateways[heard.gateway]
        info = gw.UplinkRxInfo(
            gateway_id=gateway.eui.hex(),
            uplink_id=int.from_bytes(
                digest(self._city.seed, 4, uplink.device.thing, uplink.f_cnt, gateway.name)
            ),
            rssi=heard.rssi_dbm,
            snr=heard.snr_db,
            channel=uplink.frequency_hz // 200_000 % 8,
            crc_status=gw.CRCStatus.CRC_OK,
            location=common.Location(
                latitude=gateway.place.latitude,
                longitude=gateway.place.longitude,
                altitude=70 + gateway.place.size,
                source=common.LocationSource.CONFIG,
            ),
        )
        info.gw_time.FromDatetime(uplink.moment)
        info.ns_time.FromDatetime(uplink.moment)
        return info

    def _gateway(self, heard: Heard) -> bytes:
        return self._city.gateways[heard.gateway].eui

    def _uuid(self, *parts: str | int) -> str:
        return str(uuid.UUID(bytes=digest(self._city.seed, 16, "chirpstack", *parts), version=4))


def to_json(event: Event) -> dict[str, Any]:
    """The event as ChirpStack writes it in JSON."""
    # Defaults are written in the event itself but not in what comes from the gateway.
    outer = type(event.message)()
    outer.CopyFrom(event.message)
    for name in _NESTED:
        if name in outer.DESCRIPTOR.fields_by_name:
            outer.ClearField(name)
    body = MessageToDict(outer, always_print_fields_with_no_presence=True)
    inner = MessageToDict(_only_nested(event.message))
    body.update({key: value for key, value in inner.items() if key in ("rxInfo", "txInfo")})
    body["time"] = body["time"].replace("Z", "+00:00")
    for heard in body.get("rxInfo", []):
        for key in ("gwTime", "nsTime"):
            heard[key] = heard[key].replace("Z", "+00:00")
    return body


def _only_nested(message: Message) -> Message:
    inner = type(message)()
    for name in _NESTED:
        if name in inner.DESCRIPTOR.fields_by_name:
            field = getattr(message, name)
            if isinstance(field, Message):
                getattr(inner, name).CopyFrom(field)
            else:
                getattr(inner, name).extend(field)
    return inner


def _modulation(uplink: Uplink) -> Any:
    return gw.Modulation(
        lora=gw.LoraModulationInfo(
            bandwidth=125_000, spreading_factor=uplink.spreading_factor, code_rate=gw.CodeRate.CR_4_5
        )
    )
