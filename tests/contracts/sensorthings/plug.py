"""For tests of MQTT: a client made of octets, and what a test wants to say shortly."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from datetime import timedelta

from udp.api.sensorthings.mqtt import octets, packets
from udp.api.sensorthings.mqtt.packets import Kind


class Plug:
    """A client made of octets, for what a good client never does."""

    def __init__(self, port, *, keep_alive=60, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self.keep_alive = keep_alive

    def connect(self, will=None, key=None):
        flags = 2 | (4 if will else 0) | (0xC0 if key else 0)
        body = octets.text("MQTT") + bytes([4, flags]) + self.keep_alive.to_bytes(2) + octets.text("plug")
        if will:
            body += octets.text(will[0]) + octets.text(will[1])
        if key:
            body += octets.text("key") + octets.text(key)
        self.send(packets.packet(Kind.CONNECT, body))
        assert self.take(4) == b"\x20\x02\0\0"
        return self

    def subscribe(self, *topics, qos=0):
        body = b"\0\x01" + b"".join(octets.text(one) + bytes([qos]) for one in topics)
        self.send(packets.packet(Kind.SUBSCRIBE, body, 2))
        assert self.take(4 + len(topics))[:1] == b"\x90"

    def send(self, content):
        self.socket.sendall(content)

    def take(self, count):
        found = b""
        while len(found) < count and (part := self.socket.recv(count - len(found))):
            found += part
        return found

    def closed(self):
        """Whether the server hangs up, whatever it says before."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionResetError:
            pass
        return True


def listener(city):
    return city.client.app.state.mqtt


def limited(city, **more):
    listener(city).settings = replace(listener(city).settings, **more)
    return city.mqtt_port()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def key_of(city):
    return city.operator["Authorization"].partition(" ")[2]


def minutes(city, first, count):
    return [city.clock[0] - timedelta(minutes=first + one) for one in range(count)]


def stands(city, stream):
    path = f"/v1.1/Datastreams({city.ids[stream]})/Observations?$count=true&$top=1000"
    return city.client.get(path, headers=city.operator).json()


def observation(result, minute=0, **more):
    return {"result": result, "phenomenonTime": f"2026-11-20T10:{minute:02}:00Z", **more}
