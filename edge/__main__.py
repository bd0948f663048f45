"""`udp-edge`: read the settings, wire one agent together, run it until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from edge.agent import Agent, Wake
from edge.codecs.by_profile import codec_named
from edge.codecs.javascript import JavaScriptCodecs
from edge.config import CLOCKS, AgentSettings
from edge.health import Health
from edge.lorawan.keyring import Keyring, SessionsFile
from edge.lorawan.receiver import Receiver
from edge.outbox import Outbox
from edge.sources.datagram import DatagramSource
from edge.sources.port import Source
from edge.spool import Spool, SpoolUnavailable
from edge.transports.http import HttpTransport
from edge.transports.mqtt import MqttTransport
from edge.transports.port import Transport, TransportEnded
from edge.wire.settings import SettingsError, load, render

log = logging.getLogger("edge")

_BAD_CONFIGURATION = 2


class CannotStart(Exception):
    """Something the agent needs is not there; the text names it and the remedy."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 clean, 1 cannot start or go on, 2 broken settings."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load(AgentSettings, asked.config, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return _BAD_CONFIGURATION
    if asked.verb == "check-config":
        print(f"{asked.config}: in order, agent {settings.agent}")
    elif asked.verb == "print-config":
        print(render(settings))
    else:
        logging.basicConfig(
            level=settings.log_level,
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        # It says again, without the sensor's name, what the source says of every failure.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        try:
            run(settings)
        except (CannotStart, SpoolUnavailable, TransportEnded) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def run(settings: AgentSettings, now: Callable[[], datetime] = utc_now) -> None:
    """Until SIGTERM or SIGINT; CannotStart if a port is taken or an extra is missing."""
    os.umask(0o077)  # the spool holds decrypted payloads
    with ExitStack() as stack:
        wake = Wake()
        keyring = Keyring()
        sessions = None if settings.sessions is None else SessionsFile(settings.sessions, keyring, now)
        spool = stack.enter_context(closing(Spool(settings.spool, now)))
        sources: list[Source] = []
        javascript = stack.enter_context(closing(JavaScriptCodecs(settings.javascript)))
        receiver = Receiver(keyring, partial(codec_named, javascript=javascript.named))
        datagram = _datagram(settings, receiver, now)
        if datagram is not None:
            sources.append(stack.enter_context(closing(datagram)))
        modbus = _modbus(settings, now, wake)
        if modbus is not None:
            sources.append(stack.enter_context(closing(modbus)))
        agent = Agent(
            settings.agent,
            sources=sources,
            spool=spool,
            transport=stack.enter_context(closing(_transport(settings, wake))),
            outbox=Outbox(settings.sending, random.Random()),  # noqa: S311  # spreads repetitions, no secret
            sending=settings.sending,
            health=Health(
                settings.health_interval,
                CLOCKS[settings.clock],
                lambda: None if datagram is None else datagram.clock_offset,
            ),
            wake=wake,
            now=now,
            refresh=(lambda: None) if sessions is None else sessions.refresh,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: agent.stop())
        log.info("agent %s runs, spool %s", settings.agent, settings.spool.path)
        agent.run()
        log.info(
            "agent %s stops; %d messages wait for the next start", settings.agent, spool.state().messages
        )


def _datagram(
    settings: AgentSettings, receiver: Receiver, now: Callable[[], datetime]
) -> DatagramSource | None:
    if settings.datagram is None:
        return None
    place = f"{settings.datagram.listen_host}:{settings.datagram.listen_port}"
    try:
        return DatagramSource(settings.datagram, agent=settings.agent, open_frame=receiver.open, now=now)
    except OSError as error:
        raise CannotStart(f"UDP {place}: {error.strerror}; set another [datagram] listen_port") from error


def _modbus(settings: AgentSettings, now: Callable[[], datetime], wake: Wake) -> Source | None:
    if settings.modbus is None:
        return None
    try:
        from edge.sources.modbus import ModbusSource  # noqa: PLC0415  # only poles have pymodbus
    except ImportError as error:
        raise CannotStart(f"[modbus] needs pymodbus: install the extra [pole] ({error})") from error
    return ModbusSource(settings.modbus, now=now, clock=CLOCKS[settings.clock], wake=wake)


def _transport(settings: AgentSettings, wake: Wake) -> Transport:
    try:
        if settings.mqtt is not None:
            return MqttTransport(settings.mqtt, settings.agent, wake, expiry=settings.sending.expiry)
        if settings.http is not None:
            return HttpTransport(settings.http, settings.agent, wake)
    except OSError as error:
        raise CannotStart(f"TLS files of the transport: {error}") from error
    raise CannotStart("no transport is set")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="udp-edge", description="Hört Sensoren, bewahrt das Gehörte auf und meldet es weiter."
    )
    parser.add_argument("verb", choices=("run", "check-config", "print-config"))
    parser.add_argument("--config", type=Path, required=True, help="Einstellungen (TOML) dieses Agenten")
    return parser


if __name__ == "__main__":
    sys.exit(main())
