"""kill -9 at random instants: what was acknowledged is in the store, once."""

import random
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from accounts import settle
from installation import Installation, wait_until
from traffic import Gateway, PulseCounter, chirpstack_event

pytestmark = [pytest.mark.external_service, pytest.mark.slow]
ROUNDS = 50


class Radio:
    """Every gateway hears the same uplinks, each at its own pace; remembers what was acknowledged."""

    def __init__(self, platform: Installation) -> None:
        self.platform = platform
        self.gateways = [platform.gateway(number) for number in range(len(platform.agents))]
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._hear, args=(gateway,)) for gateway in self.gateways]
        self.heard = [0] * len(self.gateways)

    def _hear(self, gateway: Gateway) -> None:
        count = 0
        while not self.ending.is_set():
            count += 1
            for device in self.platform.devices:
                gateway.deliver(device, count, patience_s=60)
                self.heard[self.gateways.index(gateway)] += 1

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    @property
    def published(self) -> int:
        return max(self.heard)

    def stop(self) -> set[tuple[int, int]]:
        self.ending.set()
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive(), "the radio hangs: an agent no longer acknowledges"
        return set.union(*(gateway.acknowledged for gateway in self.gateways))


class ChirpStack(threading.Thread):
    """Publishes ChirpStack `up` events with QoS 1; remembers those with a PUBACK."""

    def __init__(self, platform: Installation, devices: list[PulseCounter]) -> None:
        super().__init__()
        self.platform, self.devices = platform, devices
        self.published = 0
        self.acknowledged: set[tuple[int, int]] = set()
        self.under_way: dict[int, tuple[int, int]] = {}
        self.ending = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "chirpstack", protocol=mqtt.MQTTv311)
        self.client.username_pw_set("chirpstack", platform.secrets.text("chirpstack"))
        self.client.on_publish = self._on_publish

    def _on_publish(self, _client, _data, mid, _reason, _properties) -> None:
        self.acknowledged.add(self.under_way.pop(mid))

    def run(self) -> None:
        self.client.connect("127.0.0.1", self.platform.mqtt_port)
        count = 0
        while not self.ending.is_set():
            count += 1
            for device in self.devices:
                message = self.client.publish(*chirpstack_event(device, count), qos=1)
                self.under_way[message.mid] = (device.number, count)
                self.published += 1
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                self.client.loop(0.005)

    def stop(self) -> set[tuple[int, int]]:
        self.ending.set()
        self.join(30)
        end = time.monotonic() + 10
        while self.under_way and time.monotonic() < end:
            self.client.loop(0.05)
        self.client.disconnect()
        return self.acknowledged


@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    "installation",
    [{"broker": "shipped"}, {"broker": "default limits"}, {"transport": "http"}],
    ids=["shipped broker", "broker with default limits", "HTTP"],
    indirect=True,
)
def test_kills_at_random_instants_lose_and_double_nothing(installation):
    chance = random.Random(20261121)
    installation.start()
    radio = Radio(installation)
    radio.start()
    victims = [*installation.agents, "ingest", "pipeline"]
    rounds = ROUNDS if installation.broker == "shipped" and installation.transport == "mqtt" else ROUNDS // 5
    for _ in range(rounds):
        time.sleep(chance.uniform(0.1, 1.5))
        victim = chance.choice(victims)
        installation.kill(victim)
        if victim != "pipeline":  # that one is started again by ingest itself
            time.sleep(chance.uniform(0.0, 0.3))
            installation.start(victim)
    confirmed = radio.stop()
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all acknowledged uplinks stored")
    wait_until(installation.at_rest, 60, "spools and journal are empty")
    settle(f"{rounds} kills", radio.published, confirmed, installation.stored(), kills=installation.kills)
    assert sum(installation.kills.values()) >= rounds * 3 // 4  # some find the pipeline still starting
    assert len(confirmed) > 10 * rounds


@pytest.mark.timeout(300)
def test_chirpstack_events_with_qos_1_survive_kills_of_ingest(installation):
    chance = random.Random(7)
    installation.start("broker", "ingest")
    time.sleep(
        1.5
    )  # the session with its subscription must exist once: before that nobody has promised anything
    wait_until(lambda: "connected to MQTT" in installation.log("ingest"), 30, "ingest subscribed")
    server = ChirpStack(installation, installation.devices)
    server.start()
    for _ in range(12):
        time.sleep(chance.uniform(0.1, 1.5))
        victim = chance.choice(["ingest", "pipeline"])
        installation.kill(victim)
        if victim == "ingest":
            time.sleep(chance.uniform(0.0, 1.0))
            installation.start("ingest")
    confirmed = server.stop()
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all events with PUBACK stored")
    wait_until(installation.at_rest, 60, "the journal is worked off")
    settle("ChirpStack QoS 1", server.published, confirmed, installation.stored(), kills=installation.kills)
