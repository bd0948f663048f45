"""What a person may set for `make run`, by environment variable, and whether the machine grants it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from udp.errors import ConfigurationError

HTTP_PORT = "UDP_HTTP_PORT"
INGEST_PORT = "UDP_INGEST_PORT"
MQTT_PORT = "UDP_MQTT_PORT"
SENSORTHINGS_PORT = "UDP_SENSORTHINGS_PORT"
RADIO_PORT = "UDP_RADIO_PORT"
MODBUS_PORT = "UDP_MODBUS_PORT"
WEATHER_PORT = "UDP_WEATHER_PORT"


@dataclass(frozen=True, slots=True)
class Environment:
    """The wishes for one run; ports are on the loopback address. `prefix`: this is a further city, whose
    pages and API the first one serves; `cities`: the data directories of those that this one serves. `name`:
    of the city, empty for the one that everything is made for."""

    data: Path
    http_port: int
    ingest_port: int
    mqtt_port: int
    sensorthings_port: int
    radio_port: int
    modbus_port: int
    weather_port: int
    city: bool
    broker: bool
    weather: bool
    history_days: float
    prefix: str = ""
    cities: tuple[Path, ...] = ()
    name: str = ""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """From `UDP_*`; ConfigurationError names the variable that cannot be meant."""
        return cls(
            data=Path(variables.get("UDP_DATA_DIR", "var")),
            http_port=_port(variables, HTTP_PORT, 8080),
            ingest_port=_port(variables, INGEST_PORT, 8081),
            mqtt_port=_port(variables, MQTT_PORT, 1883),
            sensorthings_port=_port(variables, SENSORTHINGS_PORT, 1884),
            radio_port=_port(variables, RADIO_PORT, 17001),
            modbus_port=_port(variables, MODBUS_PORT, 15021),
            weather_port=_port(variables, WEATHER_PORT, 18090),
            city=_switch(variables, "UDP_CITY"),
            broker=_switch(variables, "UDP_BROKER"),
            weather=_switch(variables, "UDP_WEATHER"),
            history_days=_days(variables, "UDP_HISTORY_DAYS", 14.0),
            prefix=variables.get("UDP_PREFIX", ""),
            name=variables.get("UDP_CITY_NAME", ""),
            cities=tuple(Path(one) for one in variables.get("UDP_CITIES", "").split(",") if one.strip()),
        )


def require_free_port(variable: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
    """ConfigurationError if something else listens there: it says which variable to set."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} is taken ({error.strerror}); stop what uses it or choose another: "
                f"{variable}={_other(port)} make run"
            ) from error


def _other(port: int) -> int:
    return port + 100 if port + 100 < 65536 else port - 100


def _port(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ConfigurationError(f"{name}={text!r} is no port; give a number from 1 to 65535")
    return int(text)


def _switch(variables: Mapping[str, str], name: str) -> bool:
    text = variables.get(name, "on").lower()
    if text not in {"on", "off"}:
        raise ConfigurationError(f"{name}={text!r}; say on or off")
    return text == "on"


def _days(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name, str(default))
    try:
        days = float(text)
    except ValueError as error:
        raise ConfigurationError(f"{name}={text!r} is no number of days") from error
    if not 0 <= days <= 366:
        raise ConfigurationError(f"{name}={text!r}: the virtual city can begin 0 to 366 days ago")
    return days
