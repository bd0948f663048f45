"""Those who speak to a platform under test, and remember what they were promised."""

import http.client
import threading
import time

import paho.mqtt.client as mqtt
from installation import Installation
from traffic import Gateway, PulseCounter, chirpstack_event, things_stack_event


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
        self.join(60)
        assert not self.is_alive(), "the server hangs"
        end = time.monotonic() + 60
        while self.under_way:  # what has no PUBACK may be stored or not: then nobody could keep accounts
            assert time.monotonic() < end, f"the broker owes {len(self.under_way)} PUBACKs"
            self.client.loop(0.05)
        self.client.disconnect()
        return self.acknowledged


class Webhook(threading.Thread):
    """The Things Stack with webhook retries switched on: posts each uplink until it is taken."""

    def __init__(self, platform: Installation) -> None:
        super().__init__()
        self.platform = platform
        self.published = 0
        self.repeated = 0
        self.taken: set[tuple[int, int]] = set()
        self.ending = threading.Event()

    def run(self) -> None:
        count = 0
        while not self.ending.is_set():
            count += 1
            for device in self.platform.devices:
                self.published += 1
                while not self._post(things_stack_event(device, count)[1]):
                    self.repeated += 1
                    time.sleep(0.05)
                self.taken.add((device.number, count))

    def _post(self, body: bytes) -> bool:
        headers = {
            "X-Api-Key": self.platform.secrets.text("things-stack"),
            "Content-Type": "application/json",
        }
        line = http.client.HTTPConnection("127.0.0.1", self.platform.http_port, timeout=10)
        try:
            line.request("POST", "/things-stack/buerger", body=body, headers=headers)
            return 200 <= line.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def stop(self) -> set[tuple[int, int]]:
        self.ending.set()
        self.join(60)
        assert not self.is_alive(), "the webhook's door stays closed"
        return self.taken


class CommunityServer(threading.Thread):
    """The Things Stack's MQTT server: QoS 0, nobody knows who heard it."""

    def __init__(self, platform: Installation) -> None:
        super().__init__()
        self.platform = platform
        self.sent: set[tuple[int, int]] = set()
        self.last = (0, 0)
        self.ending = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "tts", protocol=mqtt.MQTTv311)
        user = "virtual-network-servers"
        self.client.username_pw_set(user, platform.secrets.text(user))

    def run(self) -> None:
        self.client.connect("127.0.0.1", self.platform.mqtt_port)
        count = 0
        while not self.ending.is_set():
            count += 1
            for device in self.platform.devices:
                self.client.publish(*things_stack_event(device, count), qos=0)
                self.sent.add((device.number, count))
                self.last = (device.number, count)
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                self.client.loop(0.01)

    def stop(self) -> set[tuple[int, int]]:
        self.ending.set()
        self.join(60)
        assert not self.is_alive(), "the server hangs"
        self.client.disconnect()
        return self.sent
