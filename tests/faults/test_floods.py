"""Repetition, rubbish and overload: one Observation each, rubbish kept aside, nothing slows down or grows."""

import time

import cbor2
import paho.mqtt.client as mqtt
import pytest
from accounts import settle
from installation import Installation, wait_until
from traffic import chirpstack_event

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
    wait_until(lambda: "connected to MQTT" in installation.log("ingest"), 30, "ingest subscribed")
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
    wait_until(lambda: "connected to MQTT" in installation.log("ingest"), 30, "ingest subscribed")
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
    wait_until(lambda: ledger.report().counters["quarantined"] >= 125 + 31, 30, "all rubbish is set aside")
    # Equal bytes are kept once and counted each time.
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


def test_more_than_ingest_hands_on_waits_at_the_gateways(installation):
    """Ingest stands still half-way (SIGSTOP): agents go on hearing, in bounded memory, and all arrives."""
    installation.start()
    gateways = [installation.gateway(number) for number in range(len(installation.agents))]
    sent = set()

    def hear_all(counts) -> None:
        for count in counts:
            for device in installation.devices:
                for gateway in gateways:
                    gateway.send(device, count)
                sent.add((device.number, count))
                if count % 10 == 0:
                    for gateway in gateways:
                        gateway.deliver(device, count)

    hear_all(range(1, 101))
    frozen = installation.freeze("ingest")
    hear_all(range(101, 501))
    agents = max(installation.rss_mb(name) for name in installation.agents)
    waiting = len(sent) - len(installation.stored())
    frozen.resume()
    confirmed = set.union(*(gateway.acknowledged for gateway in gateways))
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "everything confirmed is stored")
    memory = installation.rss_mb("ingest")
    wait_until(installation.at_rest, 60, "spools and journal are empty")
    settle("overload", len(sent), confirmed, installation.stored(), unconfirmed=sent - confirmed)
    print(
        f"{waiting} uplinks waited at the gateways; agents {agents:.0f} MB, ingest after it {memory:.0f} MB"
    )
    assert waiting > 2000
    assert agents < 60
    assert memory < 500
