"""Parts that are away for a while, or for long: nothing confirmed is lost, and it resumes by itself."""

import ctypes
import errno
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from accounts import settle
from installation import Installation, wait_until
from traffic import chirpstack_event

from udp.store.opening import StoreSettings
from udp.store.server_settings import VictoriaMetricsSettings

pytestmark = [pytest.mark.external_service, pytest.mark.slow]
SMALL_DISK = 24_000_000


def hear(platform: Installation, counts: range) -> set[tuple[int, int]]:
    """Every device's uplinks `counts` through every gateway."""
    gateways = [platform.gateway(number) for number in range(len(platform.agents))]
    for count in counts:
        for gateway in gateways:
            for device in platform.devices:
                gateway.deliver(device, count)
    return set.union(*(gateway.acknowledged for gateway in gateways))


def expect_all(
    platform: Installation, title: str, confirmed: set[tuple[int, int]], seconds: float = 90
) -> None:
    wait_until(lambda: confirmed <= set(platform.stored()), seconds, f"{title}: all stored")
    wait_until(platform.at_rest, 60, f"{title}: spools and journal are empty")
    settle(title, len(confirmed), confirmed, platform.stored(), kills=platform.kills)


@pytest.mark.parametrize("installation", [{"broker": "forgetful"}], indirect=True)
def test_a_broker_without_memory_may_be_killed(installation):
    installation.start()
    confirmed = set()
    for episode in range(4):
        confirmed |= hear(installation, range(20 * episode + 1, 20 * episode + 11))
        installation.kill("broker")
        confirmed |= hear(installation, range(20 * episode + 11, 20 * episode + 21))
        installation.start("broker")
    expect_all(installation, "broker restarted without memory", confirmed)


@pytest.mark.parametrize("installation", [{}, {"transport": "http"}], ids=["MQTT", "HTTP"], indirect=True)
def test_three_days_without_ingest(installation):
    """72 hours at an uplink per device every ten minutes: what the agents keep meanwhile."""
    installation.start(*(["broker"] if installation.transport == "mqtt" else []), *installation.agents)
    confirmed = hear(installation, range(1, 6 * 72 + 1))
    memory = max(installation.rss_mb(name) for name in installation.agents)
    installation.start("ingest")
    started = time.monotonic()
    expect_all(installation, "ingest away for 72 h", confirmed)
    print(f"agents held them in {memory:.0f} MB; all stored {time.monotonic() - started:.1f} s after ingest")
    assert memory < 60


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    error = _mount(directory)
    if error == errno.EPERM:
        why = f"the full disk is not tested: this user (id {os.geteuid()}) may not mount a small tmpfs"
        print(why)
        pytest.skip(why)
    if error:
        pytest.fail(f"a tmpfs of {SMALL_DISK} bytes cannot be mounted: {os.strerror(error)}")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def _mount(directory: Path) -> int:
    """mount(2) of the small tmpfs; 0 or the errno, which mount(8) does not tell."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(b"tmpfs", bytes(directory), b"tmpfs", 0, f"size={SMALL_DISK}".encode())
    return ctypes.get_errno() if failed else 0


@pytest.mark.parametrize("place", ["journal", "store", "gw-1"])
def test_a_full_disk_confirms_nothing_it_cannot_keep(tmp_path, small_disk, place):
    (tmp_path / "platform").mkdir()
    platform = Installation(tmp_path / "platform")
    target = platform.directory / place
    target.symlink_to(small_disk, target_is_directory=True)
    try:
        platform.start()
        confirmed = hear(platform, range(1, 6))
        expect_all(platform, f"{place}: before", confirmed)
        neighbour = small_disk / "somebody-elses-file"
        _take_all_room(neighbour)
        if place == "gw-1":
            platform.stop("ingest")  # else it empties the spool as fast as it fills
            confirmed |= _hear_with_one_full_agent(platform, neighbour)
            platform.start("ingest")
        else:
            confirmed |= hear(platform, range(6, 156))
        memory = platform.rss_mb("ingest")
        who = "gw-1" if place == "gw-1" else "ingest"
        wait_until(lambda: _says_it_is_full(platform, who), 60, f"{who} says that the disk is full")
        missing = len(confirmed) - len(platform.stored())
        neighbour.unlink()
        expect_all(platform, f"{place} on a full disk ({missing} waited)", confirmed)
        assert memory < 500
    finally:
        for name in list(platform.processes):
            platform.kill(name)


def _take_all_room(neighbour: Path) -> None:
    free = shutil.disk_usage(neighbour.parent).free
    try:
        with neighbour.open("ab") as file:
            file.write(bytes(max(0, free - 8192)))
    except OSError as error:  # somebody of the platform was quicker: then there is none left either
        if error.errno != errno.ENOSPC:
            raise


def _says_it_is_full(platform: Installation, name: str) -> bool:
    # In sentences only: the paths of this test speak of a full disk as well.
    return re.search(r"disk( is)? full|bytes free", platform.log(name)) is not None


def _hear_with_one_full_agent(platform: Installation, neighbour: Path) -> set[tuple[int, int]]:
    """The full agent takes what still fits, then stops acknowledging; the other goes on."""
    full, well = platform.gateway(0), platform.gateway(1)
    refused = 0
    for count in range(6, 106):
        _take_all_room(neighbour)  # also what the agent frees by giving up its reserve
        for device in platform.devices:
            if refused < 3:
                try:
                    full.deliver(device, count, patience_s=1.0)
                except TimeoutError:  # before it says why it is only slow
                    refused += _says_it_is_full(platform, "gw-1")
            well.deliver(device, count)
    assert refused >= 3, "the disk never became full"
    return full.acknowledged | well.acknowledged


def test_what_agents_repeat_takes_no_room_from_events_that_come_once(tmp_path):
    """Ingest is away, agents repeat until the broker's queue is full and drops: their own queue only."""
    platform = Installation(tmp_path)
    configuration = platform.directory / "broker" / "mosquitto.conf"
    text = configuration.read_text().replace("max_queued_bytes 536870912", "max_queued_bytes 30000")
    configuration.write_text(text.replace("sys_interval 10", "sys_interval 1"))
    try:
        platform.start()
        confirmed = hear(platform, range(1, 3))
        expect_all(platform, "before", confirmed)
        platform.stop("ingest")
        dropped = Account(platform, "ingest")
        dropped.subscribe("$SYS/broker/publish/messages/dropped")
        confirmed |= hear(platform, range(3, 103))
        wait_until(lambda: any(int(count) > 0 for count in dropped.heard), 120, "the agents' queue is full")
        server = Account(platform, "chirpstack")
        for count in range(201, 203):  # about 16 kB: they fit if the queue is theirs
            for device in platform.devices:
                server.publish(*chirpstack_event(device, count))
                confirmed.add((device.number, count))
        server.close()
        dropped.close()
        platform.start("ingest")
        expect_all(platform, "a queue of the broker full of repetitions", confirmed)
    finally:
        for name in list(platform.processes):
            platform.kill(name)


class Account:
    """A client of the broker under one of its accounts; publishing waits for the PUBACK."""

    def __init__(self, platform: Installation, user: str) -> None:
        self.heard: list[bytes] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"test-{user}", protocol=mqtt.MQTTv311)
        self.client.username_pw_set(user, platform.secrets.text(user))
        self.client.on_message = lambda _client, _data, message: self.heard.append(message.payload)
        self.client.connect("127.0.0.1", platform.mqtt_port)
        self.client.loop_start()

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        message = self.client.publish(topic, payload, qos=1)
        message.wait_for_publish(20)
        assert message.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_store_server_that_is_away_is_waited_for(tmp_path, metrics_server):
    url, start, stop = metrics_server
    (tmp_path / "platform").mkdir()
    store = {"kind": "victoriametrics", "victoriametrics": {"url": url}}
    platform = Installation(tmp_path / "platform", settings={"store": store})
    platform.store_settings = StoreSettings(
        kind="victoriametrics", victoriametrics=VictoriaMetricsSettings(url=url)
    )
    try:
        platform.start()
        confirmed = hear(platform, range(1, 11))
        expect_all(platform, "store server: before", confirmed)
        stop()
        confirmed |= hear(platform, range(11, 161))
        wait_until(
            lambda: url.removeprefix("http://") in platform.log("ingest"), 30, "the log names the store"
        )
        memory = platform.rss_mb("ingest")
        platform.kill("pipeline")
        start()
        expect_all(platform, "store server back", confirmed)
        assert memory < 500
    finally:
        for name in list(platform.processes):
            platform.kill(name)


@pytest.mark.parametrize("installation", [{"broker": "default limits"}], indirect=True)
def test_a_broker_that_would_drop_is_reported(tmp_path, installation):
    settings = (installation.directory / "ingest.toml").read_text()
    (installation.directory / "ingest.toml").write_text(
        settings.replace("[broker_check]\nenabled = false", "[broker_check]\nenabled = true")
    )
    installation.start("broker", "ingest")
    wait_until(lambda: "max_queued" in installation.log("ingest"), 60, "the log names the setting")
    ledger = installation.ledger()
    wait_until(lambda: ledger.report().counters.get("broker_drops_messages", 0) > 0, 30, "the ledger tells")
    ledger.close()
