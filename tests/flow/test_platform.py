"""The whole platform by its one command: the city's values arrive, stay, and are the same at every exit."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from loopback import free_port, free_ports

from simulators.poles import MODULES
from udp.launch.broker import find_mosquitto

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.external_service, pytest.mark.slow, pytest.mark.timeout(600)]


class Platform:
    """`make run` without make, on ports of its own."""

    def __init__(self, data: Path, *, broker: bool) -> None:
        self.data, self.broker = data, broker
        self.http = free_port()
        self.environment = os.environ | {
            "UDP_DATA_DIR": str(data),
            "UDP_HTTP_PORT": str(self.http),
            "UDP_INGEST_PORT": str(free_port()),
            "UDP_MQTT_PORT": str(free_port()),
            "UDP_SENSORTHINGS_PORT": str(free_port()),
            "UDP_RADIO_PORT": str(free_ports(9, socket.SOCK_DGRAM)),
            "UDP_MODBUS_PORT": str(free_ports(7)),
            "UDP_WEATHER_PORT": str(free_port()),
            # Of two days a stream can be forecast; one of both ways is enough to see it.
            "UDP_HISTORY_DAYS": "2" if broker else "0.3",
            "UDP_BROKER": "on" if broker else "off",
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "udp.launch"],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, said
        return said

    def get(self, path: str, key: str | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}")
        if key:
            request.add_header("X-Api-Key", key)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def json(self, path: str, key: str | None = None) -> dict:
        return json.loads(self.get(path, key))

    @property
    def key(self) -> str:
        return (self.data / "secrets" / "operator-key").read_text().strip()

    def until(self, condition, seconds: float, what: str):
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.process.stdout.read()
            try:
                if found := condition():
                    return found
            except (OSError, urllib.error.URLError):
                pass
            if time.monotonic() > end:
                logs = "\n".join(p.name + ": " + p.read_text()[-500:] for p in self.data.glob("log/*.log"))
                pytest.fail(f"after {seconds} s still not: {what}\n{logs}")
            time.sleep(0.5)

    def caught_up(self) -> bool:
        return "live" in (self.data / "log" / "city.log").read_text()


def latest(platform):
    return platform.json("/api/v1/latest")["values"]


def page(platform, path):
    """The page, None before it was drawn for the first time."""
    try:
        return platform.get(path).decode()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


@pytest.fixture(params=["Mosquitto", "no broker"])
def platform(tmp_path, request):
    broker = request.param == "Mosquitto"
    if broker and find_mosquitto() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    platform = Platform(tmp_path / "var", broker=broker)
    platform.start()
    yield platform
    if platform.process.poll() is None:
        platform.process.terminate()  # killed, it would leave its processes behind
        platform.process.communicate(timeout=90)


def test_the_city_arrives_stays_and_is_the_same_at_every_exit(platform):
    platform.until(platform.caught_up, 200, "the city has caught up")
    # Of 245; containers report hourly. Agents by HTTP may still send when the journal is empty for a moment.
    report = platform.until(
        lambda: settled(platform, heard=225, agents=16), 120, "225 devices and all agents are heard"
    )
    counters = report["counters"]
    print(f"\n{counters}")
    assert len(report["agents"]) == 16
    assert not [gap for gap in report["gaps"] if gap["lost"]]
    assert counters.get("quarantined", 0) == 0, report["quarantine"]
    assert all(counters[f"deliveries_{way}"] > 0 for way in ("edge", "chirpstack", "things_stack"))

    kinds = {"pole", "waste_bin", "stream_gauge", "weather_station"}

    def everywhere():
        values = latest(platform)
        there = kinds <= {value["kind"] for value in values}
        return values if there and len({value["thing"] for value in values}) >= 150 else None

    values = platform.until(everywhere, 90, "poles have been asked, 150 things tell something")
    assert all(value["simulated"] and value["licence"] for value in values)
    assert not {value["kind"] for value in values} & {"school_room", "meter", "gateway"}

    stream = next(
        v for v in values if v["kind"] == "stream_gauge" and v["observed_property"] == "water_level"
    )
    path = f"/api/v1/datastreams/{stream['datastream']}/observations?to={stream['phenomenon_time']}"

    def both_formats():
        """Of one state: what an agent tells of its past may come between two questions."""
        before = platform.json(path)["observations"]
        table = platform.get(path + "&format=csv").decode()
        after = platform.json(path)["observations"]
        return (before, list(csv.DictReader(io.StringIO(table)))) if before == after else None

    rows, table = platform.until(both_formats, 60, "the series stands still for three questions")
    assert len(rows) > 20
    drawn = platform.until(
        lambda: page(platform, f"/messwert/{stream['datastream']}/"), 150, "the page is drawn in its round"
    )
    assert stream["thing_name"] in drawn and "Simulierte Daten" in drawn
    assert [(row["phenomenon_time"], float(row["value"])) for row in table] == [
        (row["phenomenon_time"], row["value"]) for row in rows
    ]

    if platform.broker:
        forecasts_arrive(platform)
    for closed in ("/betrieb/", "/betrieb/bericht/", "/klima/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            platform.get(closed)
        assert refused.value.code in (401, 403)
    before = {d["dev_eui"]: d["last_f_cnt"] for d in report["devices"] if d["uplinks"]}
    stored = counters["observations"]

    said = platform.stop()
    assert "Stopped." in said
    platform.start()
    platform.until(lambda: platform.json("/health")["status"] == "ok", 150, "the second run answers")
    again = platform.until(lambda: settled(platform, beyond=stored), 120, "the second run brings new values")
    assert again["counters"]["observations"] > stored
    after = {device["dev_eui"]: device["last_f_cnt"] for device in again["devices"]}
    assert all(after[device] >= count for device, count in before.items()), "a frame counter began anew"
    platform.stop()


def forecasts_arrive(platform: Platform) -> None:
    """Models run as part of it: their values are at the interface, in the store, on the page and in the
    report, and the weather service's forecasts were fetched."""

    def said():
        listed = platform.json("/api/v1/forecasts?kind=stream_gauge")["forecasts"]
        return next((one for one in listed if one["values"]), None)

    one = platform.until(said, 200, "a stream has a forecast")
    assert one["forecast"] and one["simulated"] and one["issued_at"] < one["values"][0]["valid_time"]
    levels = [one["values"][0]["quantiles"][level] for level in ("0.05", "0.5", "0.95")]
    assert levels == sorted(levels)
    # The same from the forecast Datastreams in the store, by issue time.
    path = f"/api/v1/datastreams/{one['datastream']}/forecast"
    stored = platform.json(f"{path}?issued_at={one['issued_at']}")["values"]
    assert len(one["streams"]) == 5 and len(stored) == len(one["values"])
    assert [row["quantiles"]["0.5"] for row in stored] == pytest.approx(
        [row["quantiles"]["0.5"] for row in one["values"]]
    )
    drawn = f"/messwert/{one['datastream']}/"
    middle = "Gestrichelt: Mitte der Prognose"
    platform.until(lambda: middle in (page(platform, drawn) or ""), 240, "the page draws the forecast")
    request = f"/betrieb/bericht/?schluessel={platform.key}"
    assert platform.until(lambda: "Bericht der Modelle" in staff_page(platform, request), 60, "the report")
    weather = platform.data / "log" / "weather.log"
    for kind in ("Regenradar of", "Punktvorhersage of"):
        platform.until(lambda kind=kind: kind in weather.read_text(), 60, f"{kind} some time is fetched")
    told = platform.json("/api/v1/operations", platform.key)["conditions"]
    assert not {"Regenradar", "Punktvorhersage"} & set(told), told


def staff_page(platform: Platform, path: str) -> str:
    """As a browser that keeps cookies; empty while there is none."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with opener.open(f"http://127.0.0.1:{platform.http}{path}", timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return ""


def settled(platform: Platform, beyond: int = 0, heard: int = 0, agents: int = 0) -> dict | None:
    report = platform.json("/api/v1/operations", platform.key)
    counters = report["counters"]
    done = counters.get("journal_backlog_messages", 1) == 0 and counters.get("observations", 0) > beyond
    known = sum(1 for device in report["devices"] if device["uplinks"])
    ways = all(counters.get(f"deliveries_{way}") for way in ("edge", "chirpstack", "things_stack"))
    return report if done and ways and known >= heard and len(report["agents"]) >= agents else None


def test_the_launcher_knows_the_poles_as_they_are():
    described = tomllib.loads((ROOT / "udp" / "launch" / "pole.toml").read_text())["sensor"]
    assert {
        sensor["name"]: [(r["field"], r["address"], r["type"], r["scale"]) for r in sensor["register"]]
        for sensor in described
    } == {
        name: [(r.field, r.address, r.type, r.scale) for r in registers]
        for name, registers in MODULES.items()
    }
