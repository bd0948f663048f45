"""All settings of one agent; what a room needs stands in that room."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from edge.codecs.javascript import JavaScriptSettings
from edge.outbox import SendingSettings
from edge.sources.datagram import DatagramSettings
from edge.sources.registers import ModbusSettings
from edge.spool import SpoolSettings
from edge.transports.http import HttpSettings
from edge.wire.broker import SessionSettings
from edge.wire.messages import Clock
from edge.wire.topics import agent_name

CLOCKS: Final = {"ntp": Clock.NTP, "server": Clock.SERVER, "unknown": Clock.UNKNOWN}


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One agent: its name, what it hears through, where it keeps, how it speaks upwards."""

    agent: str
    spool: SpoolSettings
    datagram: DatagramSettings | None = None
    modbus: ModbusSettings | None = None
    sessions: Path | None = None  # TOML of LoRaWAN sessions; without it frames travel on unopened
    mqtt: SessionSettings | None = None
    http: HttpSettings | None = None
    sending: SendingSettings = field(default_factory=SendingSettings)
    clock: str = "ntp"  # who sets this machine's clock: ntp, server (nobody better), unknown
    javascript: JavaScriptSettings = field(default_factory=JavaScriptSettings)  # needs the extra [edge-js]
    health_interval: timedelta = timedelta(seconds=60)
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        agent_name(self.agent)
        if self.datagram is None and self.modbus is None:
            raise ValueError("nothing to hear through: add a [datagram] or a [modbus] table")
        if (self.mqtt is None) == (self.http is None):
            raise ValueError("say upwards one way: add either an [mqtt] or an [http] table")
        if self.clock not in CLOCKS:
            raise ValueError(f"clock {self.clock!r} is not one of {', '.join(CLOCKS)}")
        if self.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError(f"log_level {self.log_level!r} is not DEBUG, INFO, WARNING or ERROR")
        if self.health_interval <= timedelta(0):
            raise ValueError("health_interval must be above 0 seconds")
