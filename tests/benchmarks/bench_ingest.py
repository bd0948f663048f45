"""Ingest end to end with durable acknowledgement, beside the bare loop on the same broker in the same run.

The bare loop is the least that keeps the promise: MQTT QoS 1 -> cbor2 -> one SQLite commit (WAL,
synchronous FULL) per batch -> PUBACK. Ingest does the same and also sends receipts, recognises
uplinks, keeps receptions and quality and stores three values each. Prints figures, never fails on one.

    .venv/bin/python tests/benchmarks/bench_ingest.py [uplinks]
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cbor2
import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.wire import cbor, topics
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import Clock, Envelope, Reception, Record, Uplink
from udp.ledger.sql import SqlLedger
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

AGENT = "crx-gw-1"
DEVICES = 500
PROFILE = "milesight-am319"
FIELDS = ("temperature", "humidity", "pressure")
BATCH = 1_000
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)

CONFIGURATION = """
registry = "sqlite:///{folder}/registry.sqlite"
ledger = "sqlite:///{folder}/ledger.sqlite"
[journal]
directory = "{folder}/journal"
[[mqtt]]
broker = {{ port = {port} }}
[http]
enabled = false
[broker_check]
enabled = false
[store.embedded]
folder = "{folder}/store"
"""


def uplink(number: int) -> Uplink:
    device, f_cnt = number % DEVICES, number // DEVICES
    at = START + timedelta(seconds=10 * f_cnt, microseconds=device)
    return Uplink(
        dev_eui=dev_eui(device), session=b"\x26\x01\x1b\xda", f_cnt=f_cnt, f_port=85, payload=bytes(12),
        received_at=at, clock=Clock.NTP,
        receptions=(Reception(GatewayEUI(bytes(8)), AGENT, at, -97.0, 7.5),),
        data_rate="SF7BW125", frequency_hz=868_100_000,
        records=(Record({"temperature": 20.0 + f_cnt % 7 / 10, "humidity": 50.0, "pressure": 1013.2}),),
        codec=PROFILE,
    )  # fmt: skip


def dev_eui(device: int) -> DevEUI:
    return DevEUI((0xBE0C000000000000 + device).to_bytes(8, "big"))


def city_file(folder: Path) -> Path:
    lines = ['format = 1\n[city]\nname = "Messstadt"\nsimulated = true']
    for device in range(DEVICES):
        lines.append(
            f'[[thing]]\nkey = "raum-{device}"\nname = "Raum {device}"\n'
            'kind = "school_room"\ntheme = "schulen"\n'
            'district = "castrop"\ndistrict_name = "Castrop"\nlatitude = 51.55\nlongitude = 7.31\n'
            f'[[thing.device]]\ndev_eui = "{dev_eui(device)}"\nprofile = "{PROFILE}"'
        )
    path = folder / "city.toml"
    path.write_text("\n".join(lines))
    return path


def envelopes(count: int, each: int) -> list[bytes]:
    return [
        cbor.encode(
            Envelope(AGENT, b"benchmark", first + 1, 1, START, tuple(map(uplink, range(first, first + each))))
        )
        for first in range(0, count, each)
    ]


@contextmanager
def broker(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed: apt-get install mosquitto")
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        "max_queued_bytes 536870912\nmax_inflight_messages 2000\nset_tcp_nodelay true\n"
    )
    process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def wait_until(true: object, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not true():  # type: ignore[operator]
        if time.monotonic() > until:
            raise SystemExit("the benchmark did not come to its end in time")
        time.sleep(0.01)


def publish(port: int, octets: list[bytes]) -> None:
    """Fill the consumer's queue at the broker: what is measured is the consumer, not this publisher."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(1_000)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    handed = [client.publish(topics.up(AGENT), one, qos=1) for one in octets]
    for one in handed:
        one.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def consumer(port: int, client_id: str) -> mqtt.Client:
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=True
    )
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 600
    properties.ReceiveMaximum = 2_000
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    return client


def reserve(port: int, client_id: str) -> None:
    """Let the broker keep messages for a session that is away."""
    client = consumer(port, client_id)
    subscribed: list[int] = []
    client.on_subscribe = lambda *_: subscribed.append(1)
    client.on_connect = lambda one, *_: one.subscribe(topics.UP_OF_ALL_AGENTS, 1)
    wait_until(lambda: client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS and bool(subscribed), 10)
    client.disconnect()


def bare_loop(port: int, folder: Path, count: int) -> float:
    """Seconds for `count` messages."""
    connection = sqlite3.connect(folder / "bare.sqlite")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE deliveries (id INTEGER PRIMARY KEY, octets BLOB)")
    client = consumer(port, "bare")
    waiting: list[tuple[int, bytes]] = []
    handled = 0

    def on_message(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        cbor2.loads(message.payload)
        waiting.append((message.mid, message.payload))

    client.on_message = on_message
    start = time.perf_counter()
    while handled < count:
        client.loop(0.01)
        if waiting and (len(waiting) >= BATCH or handled + len(waiting) >= count):
            with connection:
                connection.executemany(
                    "INSERT INTO deliveries (octets) VALUES (?)", [(one,) for _mid, one in waiting]
                )
            for mid, _octets in waiting:
                client.ack(mid, 1)
            handled += len(waiting)
            waiting.clear()
    took = time.perf_counter() - start
    client.disconnect()
    return took


def ingest(
    port: int, server: psutil.Process, folder: Path, octets: list[bytes], count: int
) -> tuple[float, float, dict[str, float]]:
    """(seconds until all is confirmed, seconds until all is stored, CPU seconds by process)."""
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    registry.import_city(read_city(city_file(folder), load_profiles()))
    registry.close()
    path = folder / "ingest.toml"
    path.write_text(CONFIGURATION.format(folder=folder, port=port))
    confirmed = 0

    def on_receipt(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        nonlocal confirmed
        confirmed += sum(last - first + 1 for first, last in cbor.decode_receipt(message.payload).ranges)

    agent = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    agent.on_message = on_receipt
    agent.on_connect = lambda client, *_: client.subscribe(topics.ack(AGENT), 1)
    agent.connect("127.0.0.1", port)
    agent.loop_start()
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
    command = [sys.executable, "-m", "ingest", "run", "--config", str(path)]
    with running(command) as process:
        # Both processes are up when the first uplink is stored; then the doors sleep until all is published.
        wait_until((folder / "journal" / "ingest-1.doors.lock").exists, 60)
        publish(port, octets[:1])
        wait_until(lambda: ledger.report().counters.get("observations"), 60)
        warm, confirmed = ledger.report().counters["messages_edge"], 0
        doors = psutil.Process(process.pid)
        doors.suspend()
        publish(port, octets[1:])
        before = cpu_seconds(doors, server)
        start = time.perf_counter()
        doors.resume()
        wait_until(lambda: confirmed >= count - warm, 120)
        journalled = time.perf_counter() - start
        wait_until(lambda: ledger.report().counters["messages_edge"] >= count, 120)
        stored = time.perf_counter() - start
        cpu = {name: seconds - before[name] for name, seconds in cpu_seconds(doors, server).items()}
    agent.disconnect()
    agent.loop_stop()
    report = ledger.report()
    ledger.close()
    if report.counters["observations"] != 3 * count:
        raise SystemExit(f"{3 * count} observations were to be stored: {report.counters}")
    return journalled, stored, cpu


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        psutil.Process(process.pid).resume()
        process.terminate()
        process.wait(60)


def cpu_seconds(doors: psutil.Process, server: psutil.Process) -> dict[str, float]:
    return {
        "broker": sum(server.cpu_times()[:2]),
        "doors": sum(doors.cpu_times()[:2]),
        "pipeline": sum(sum(child.cpu_times()[:2]) for child in doors.children()),
    }


def measure(uplinks: int, each: int) -> None:
    octets = envelopes(uplinks, each)
    messages = len(octets)
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as (port, server):
        folder = Path(name)
        reserve(port, "bare")
        publish(port, octets)
        before = time.process_time(), sum(server.cpu_times()[:2])
        bare = bare_loop(port, folder, messages)
        loop_cpu, broker_cpu = time.process_time() - before[0], sum(server.cpu_times()[:2]) - before[1]
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as (port, server):
        folder = Path(name)
        reserve(port, "udp-ingest-ingest-1")
        journalled, stored, cpu = ingest(port, server, folder, octets, uplinks)
    print(f"\n{messages} messages of {each} uplink(s) with 3 values each, {uplinks} uplinks")
    print(f"  bare loop               {messages / bare:10,.0f} messages/s {uplinks / bare:10,.0f} uplinks/s")
    for what, seconds in (("ingest, confirmed", journalled), ("ingest, stored", stored)):
        print(
            f"  {what:<23} {messages / seconds:10,.0f} messages/s {uplinks / seconds:10,.0f} uplinks/s"
            f"   {bare / seconds:5.2f} of the bare loop"
        )
    print(
        f"  CPU per uplink: bare loop {1e6 * loop_cpu / uplinks:.0f} us and its broker "
        f"{1e6 * broker_cpu / uplinks:.0f} us; "
        + ", ".join(f"{name} {1e6 * seconds / uplinks:.0f} us" for name, seconds in cpu.items()),
        flush=True,
    )


def main() -> None:
    uplinks = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    for each in (1, 20):
        measure(uplinks, each)


if __name__ == "__main__":
    main()
