"""One gateway agent: frames per second from PUSH_DATA to a PUSH_ACK that means "on disk", and its memory."""

from __future__ import annotations

import argparse
import base64
import json
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import tomli_w

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
sys.path.insert(0, str(Path(__file__).parents[1] / "machine"))
from installation import wait_until
from loopback import free_port
from traffic import PulseCounter, moment

UNDER_WAY = 50


def main() -> int:
    """Print frames/s, the time to a PUSH_ACK, and resident memory; nothing fails on a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    arguments, _ = parser.parse_known_args()
    devices = [PulseCounter(number) for number in range(1, 101)]
    datagrams = [datagram(devices[n % 100], n // 100 + 1, n & 0xFFFF) for n in range(arguments.frames)]
    with tempfile.TemporaryDirectory() as directory:
        port = free_port(socket.SOCK_DGRAM)
        process = start_agent(Path(directory), port, devices)
        try:
            rate, waits = push(port, datagrams)
            memory = psutil.Process(process.pid).memory_info().rss / 1e6
        finally:
            process.terminate()
            process.wait(30)
    p50, p95 = statistics.quantiles(waits, n=20)[9], statistics.quantiles(waits, n=20)[18]
    print(f"{len(datagrams)} frames of {len(devices)} devices, all keys known, no way upwards (spool grows)")
    print(f"{rate:,.0f} frames/s; PUSH_ACK after p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms")
    print(f"resident memory {memory:.0f} MB (bound: 60 MB)")
    return 0


def datagram(device: PulseCounter, count: int, token: int) -> bytes:
    """PUSH_DATA with one frame."""
    frame = device.frame(count, device.payload(count))
    rxpk = {
        "time": moment(count).isoformat().replace("+00:00", "Z"), "tmst": count, "freq": 868.1, "stat": 1,
        "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -90, "lsnr": 7.5, "size": len(frame),
        "data": base64.b64encode(frame).decode(),
    }  # fmt: skip
    head = b"\x02" + struct.pack(">H", token) + b"\x00" + bytes.fromhex("0016c001f1500800")
    return head + json.dumps({"rxpk": [rxpk]}).encode()


def start_agent(directory: Path, port: int, devices: list[PulseCounter]) -> subprocess.Popen[bytes]:
    """An agent whose receiver is away: everything has to be kept."""
    (directory / "sessions.toml").write_text(
        tomli_w.dumps(
            {
                "session": [
                    {
                        "dev_eui": d.dev_eui.hex(), "dev_addr": d.dev_addr.hex(),
                        "nwk_s_key": d.nwk_s_key.hex(),
                        "app_s_key": d.app_s_key.hex(), "codec": "milesight-em300-di",
                    }
                    for d in devices
                ]
            }
        )
    )  # fmt: skip
    settings = {
        "agent": "gw-bench",
        "sessions": str(directory / "sessions.toml"),
        "spool": {"path": str(directory / "spool.sqlite")},
        "datagram": {"listen_port": port, "gateway_clock": "gps"},
        "mqtt": {"host": "127.0.0.1", "port": free_port()},
    }
    (directory / "agent.toml").write_text(tomli_w.dumps(settings))
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--config", str(directory / "agent.toml")],
        stdout=log,
        stderr=log,
    )
    wait_until(lambda: b"runs" in (directory / "log").read_bytes(), 20, "the agent runs")
    return process


def push(port: int, datagrams: list[bytes]) -> tuple[float, list[float]]:
    """Keep UNDER_WAY datagrams unacknowledged; frames per second and seconds to each PUSH_ACK."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
        forwarder.connect(("127.0.0.1", port))
        forwarder.settimeout(2.0)
        sent: dict[bytes, tuple[float, bytes]] = {}
        waits: list[float] = []
        started, following = time.perf_counter(), 0
        while len(waits) < len(datagrams):
            while len(sent) < UNDER_WAY and following < len(datagrams):
                octets = datagrams[following]
                sent[octets[1:3]] = (time.perf_counter(), octets)
                forwarder.send(octets)
                following += 1
            try:
                token = forwarder.recv(64)[1:3]
            except TimeoutError:
                for _, octets in sent.values():
                    forwarder.send(octets)
                continue
            if token in sent:
                waits.append(time.perf_counter() - sent.pop(token)[0])
        return len(datagrams) / (time.perf_counter() - started), waits


if __name__ == "__main__":
    raise SystemExit(main())
