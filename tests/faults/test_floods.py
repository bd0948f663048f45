"""Repetition, rubbish and overload: one Observation each, rubbish kept aside, nothing slows down or grows."""

import base64
import itertools
import json
import struct
import threading
import time

import cbor2
import paho.mqtt.client as mqtt
import pytest
from accounts import settle
from installation import Installation, wait_until
from traffic import Gateway, PulseCounter, chirpstack_event, moment

pytestmark = [pytest.mark.external_service, pytest.mark.slow]


class Publisher:
    """A broker account that publishes with QoS 1 and waits for every PUBACK."""

    def __init__(self, platform: Installation, user: str) -> None:
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"test-{user}", protocol=mqtt.MQTTv311)
        self.client.username_pw_set(user, platform.secrets.text(user))
        self.client.connect("127.0.0.1", platform.mqtt_port)
        self.client.loop_start()
        self.under_way = []

    def publish(self, topic: str, payload: bytes) -> None:
        self.under_way.append(self.client.publish(topic, payload, qos=1))

    def close(self) -> None:
        for message in self.under_way:
            message.wait_for_publish(30)
            assert message.is_published()
        self.client.disconnect()
        self.client.loop_stop()


def test_the_same_message_a_hundred_times_by_three_ways_out_of_order(installation):
    installation.start()
    installation.wait_until_heard()
    first, second = installation.gateway(0), installation.gateway(1)
    device = installation.devices[0]
    for count in (3, 1, 2):
        first.deliver(device, count)
    server = Publisher(installation, "chirpstack")
    for repetition in range(100):
        count = repetition % 3 + 1
        first.send(device, count)
        second.send(device, count)
        server.publish(*chirpstack_event(device, count))
    server.close()
    confirmed = {(device.number, count) for count in (1, 2, 3)}
    ledger = installation.ledger()
    # 3 + 300 deliveries of 3 uplinks, except those a gateway's agent had already recognised itself.
    wait_until(lambda: ledger.report().counters.get("duplicates", 0) >= 100, 60, "ChirpStack's 100 counted")
    report = ledger.report()
    ledger.close()
    settle("100 times by three ways", 303, confirmed, installation.stored())
    freshness = {row.dev_eui.upper(): row for row in report.devices}[device.dev_eui.hex().upper()]
    print(f"duplicates counted: {report.counters['duplicates']}, of the device {freshness.duplicates}")
    assert freshness.uplinks == 3


def test_one_percent_garbage_at_full_load(installation):
    installation.start()
    installation.wait_until_heard()
    server = Publisher(installation, "chirpstack")
    forger = Publisher(installation, "gw-1")
    rubbish = [
        b"\xff\xff\xff",
        b"",
        cbor2.dumps({0: 99, 1: "gw-1"}),
        cbor2.dumps({0: 1, 1: "gw-2", 2: b"12345678", 3: 1, 4: 0, 5: [], 6: 1}),
        cbor2.dumps([1, 2, 3]),
        cbor2.dumps({0: 1, 1: "gw-1", 2: b"x", 3: "one", 4: None, 5: {}, 6: -1}),
    ]
    confirmed = set()
    started = time.monotonic()
    for count in range(1, 1501):
        for device in installation.devices:
            server.publish(*chirpstack_event(device, count))
            confirmed.add((device.number, count))
        if count % 12 == 0:  # one message in a hundred
            forger.publish("udp/v1/gw-1/up", rubbish[count // 12 % len(rubbish)])
        if count % 48 == 0:
            server.publish("application/x/device/y/event/up", b"{not json")
    server.close()
    forger.close()
    published = time.monotonic() - started
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "everything good is stored")
    took = time.monotonic() - started
    settle("1 % garbage", len(confirmed), confirmed, installation.stored())
    ledger = installation.ledger()
    # Equal bytes are kept once and counted each time.
    set_aside = lambda: ledger.report().counters.get("quarantined", 0) >= 125 + 31  # noqa: E731
    wait_until(set_aside, 60, "all rubbish is set aside")
    counters = ledger.report().counters
    kept = ledger.quarantined(500)
    ledger.close()
    print(
        f"{len(confirmed)} events, {counters['quarantined']} pieces of rubbish: published in "
        f"{published:.1f} s, stored after {took:.1f} s; ingest {installation.rss_mb('ingest'):.0f} MB"
    )
    assert counters["quarantined"] >= 125 + 31
    assert {entry.octets for entry in kept} >= {*rubbish, b"{not json"}
    assert all(entry.reason and entry.remedy for entry in kept)


Uplinks = list[tuple[int, int]]


class Forwarder(threading.Thread):
    """Sends prepared datagrams, each as soon as the last is acknowledged, until it is told to stop."""

    def __init__(self, gateway: Gateway, datagrams: list[tuple[Uplinks, bytes]]) -> None:
        super().__init__()
        self.gateway, self.datagrams, self.end = gateway, datagrams, threading.Event()
        self.packets = 0  # acknowledged; a set that grows is not for other threads to count
        self.sent: set[tuple[int, int]] = set()
        self.acknowledged: set[tuple[int, int]] = set()

    def run(self) -> None:
        for number, (uplinks, body) in enumerate(self.datagrams):
            if self.end.is_set():
                return
            self.sent.update(uplinks)
            # Every gateway's clock has its own milliseconds: a copy not recognised would stand there twice.
            timed = body.replace(b".000Z", b".%03dZ" % self.gateway.offset_ms)
            if self._delivered(struct.pack(">H", number), timed):
                self.acknowledged.update(uplinks)
                self.packets += len(uplinks)

    def _delivered(self, token: bytes, body: bytes) -> bool:
        datagram = b"\x02" + token + b"\x00" + self.gateway.eui + body
        until = time.monotonic() + 10
        while time.monotonic() < until:
            self.gateway.socket.sendto(datagram, ("127.0.0.1", self.gateway.port))
            try:
                while self.gateway.socket.recv(64)[1:4] != token + b"\x01":
                    pass
            except (TimeoutError, ConnectionError):
                continue
            return True
        return False


def datagrams_of(devices: list[PulseCounter], counts: range) -> list[tuple[Uplinks, bytes]]:
    """PUSH_DATA bodies of two packets with the uplinks they carry."""
    uplinks = [(device, count) for count in counts for device in devices]
    found = []
    for first in range(0, len(uplinks), 2):
        packets = []
        for device, count in uplinks[first : first + 2]:
            frame = device.frame(count, device.payload(count))
            packets.append(
                {
                    "time": f"{moment(count):%Y-%m-%dT%H:%M:%S}.000Z",
                    "tmst": count,
                    "freq": 868.1,
                    "datr": "SF7BW125",
                    "modu": "LORA",
                    "codr": "4/5",
                    "stat": 1,
                    "rssi": -90,
                    "lsnr": 7.5,
                    "size": len(frame),
                    "data": base64.b64encode(frame).decode(),
                }
            )
        carried = [(device.number, count) for device, count in uplinks[first : first + 2]]
        found.append((carried, json.dumps({"rxpk": packets}).encode()))
    return found


class Figures:
    """What is seen from look to look: uplinks acknowledged, of them waiting at the agents; memory."""

    def __init__(self, installation: Installation, forwarders: list[Forwarder]) -> None:
        self.installation, self.forwarders = installation, forwarders
        self.agent_mb = self.ingest_mb = 0.0
        self.heard: list[int] = []
        self.waiting: list[int] = []

    def look(self) -> int:
        """Note the figures of this moment; how many wait."""
        agents = self.installation.agents
        # Acknowledged first: what is acknowledged in between must not count as taken over.
        self.heard.append(sum(one.packets for one in self.forwarders))
        self.waiting.append(sum(map(self.installation.spooled, agents)))
        self.agent_mb = max(self.agent_mb, *map(self.installation.rss_mb, agents))
        self.ingest_mb = max(self.ingest_mb, self.installation.rss_mb("ingest"))
        return self.waiting[-1]

    @property
    def taken_over(self) -> int:
        """How many ingest has taken over, at least: more is acknowledged while a look counts what waits, so
        a single look may say less than one before, or less than nothing."""
        return max([0, *(heard - wait for heard, wait in zip(self.heard, self.waiting, strict=True))])

    def took_over_more(self, before: int) -> bool:
        """Look whether more than `before` were taken over."""
        self.look()
        return self.taken_over > before

    def exceed(self, most: int) -> bool:
        """Look whether more than `most` wait, and clearly more than were taken over."""
        return self.look() > max(most, self.taken_over + 300)


def overload(installation: Installation, figures: Figures) -> list[tuple[int, int]]:
    """Ingest stands still until more waits than ever before and than it has taken over, and works until it
    takes over more: on a machine of any speed it works, and takes over less than is heard.

    What it had taken over and what waited each time it had stood still.
    """
    grown: list[tuple[int, int]] = []
    for _ in range(6):
        before = grown[-1][1] if grown else 0
        frozen = installation.freeze("ingest")
        try:
            wait_until(lambda before=before: figures.exceed(before + 100), 60, "the backlog grows")
        finally:
            frozen.resume()
        taken = figures.taken_over
        grown.append((taken, figures.waiting[-1]))
        wait_until(lambda taken=taken: figures.took_over_more(taken + 200), 60, "it takes over more")
    return grown


@pytest.mark.parametrize(
    ("installation", "envelope"),
    # 16 envelopes are under way by MQTT, one by HTTP. Times are the gateways': by the agents' own clocks two
    # uplinks of a device, at a rate no device has, now and then fall into the same microsecond.
    [({"gateway_clock": "gps"}, 25), ({"gateway_clock": "gps", "transport": "http"}, 250)],
    ids=["MQTT", "HTTP"],
    indirect=["installation"],
)
def test_what_running_ingest_cannot_take_over_waits_at_the_agents(installation, envelope):
    """The difference grows in the spools and not in memory; afterwards the spools empty by themselves."""
    for name in installation.agents:  # less under way than a second of what is heard
        path = installation.directory / f"{name}.toml"
        path.write_text(path.read_text().replace("[sending]\n", f"[sending]\nmax_messages = {envelope}\n"))
    halves = [datagrams_of(installation.devices[half::2], range(1, 5001)) for half in (0, 1)]
    installation.start()
    wait_until(installation.at_rest, 30, "ingest works")
    forwarders = [
        Forwarder(installation.gateway(number), datagrams)
        for number, datagrams in itertools.product((0, 1), halves)
    ]
    figures = Figures(installation, forwarders)
    started = time.monotonic()
    try:
        for one in forwarders:
            one.start()
        grown = overload(installation, figures)
        took = time.monotonic() - started
    finally:
        for thread in forwarders:
            thread.end.set()
        for thread in forwarders:
            thread.join(30)
    assert not any(one.is_alive() for one in forwarders), "an agent no longer acknowledges"
    ended, heard, (taken, waiting) = time.monotonic(), figures.heard[-1], grown[-1]
    wait_until(lambda: figures.look() == 0, 60, "the spools are empty")
    emptied = time.monotonic() - ended
    sent = set.union(*(one.sent for one in forwarders))
    confirmed = set.union(*(one.acknowledged for one in forwarders))
    wait_until(lambda: confirmed <= set(installation.stored()), 60, "everything acknowledged is stored")
    wait_until(installation.at_rest, 60, "the journal is worked off")
    figures.look()
    print(
        f"\n{heard / took:.0f}/s heard, {taken / took:.0f}/s taken over for {took:.1f} s; "
        f"taken over and waiting {grown}; emptied {emptied:.1f} s later, stored "
        f"{time.monotonic() - ended:.1f} s later; agent at most {figures.agent_mb:.0f} MB, "
        f"ingest {figures.ingest_mb:.0f} MB"
    )
    settle("overload", len(sent), confirmed, installation.stored(), unconfirmed=sent - confirmed)
    assert [waiting for _, waiting in grown] == sorted(waiting for _, waiting in grown)
    assert 0 < taken < waiting, "ingest took over nothing, or most of it"
    assert figures.agent_mb < 60
    assert figures.ingest_mb < 500
