"""Two cities on one machine, both running: each tells its own, opens to its own keys, outlives the other."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

# The same keys in both: nothing but the installation tells them apart.
CITY = """format = 1
[city]
name = "{name}"
simulated = true
[[thing]]
key = "mast-1"
name = "Mast {name}"
kind = "pole"
theme = "luft"
latitude = 51.55
longitude = 7.31
district = "mitte"
district_name = "Mitte {name}"
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "A84041000181A001"
profile = "milesight-am319"
"""
BANK = {
    "name": "Bank", "description": "Bank", "Locations": [{
        "name": "Markt", "description": "Mitte", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [7.31, 51.55]}}],
}  # fmt: skip
_WITHIN_S = 60.0


class Town:
    """One installation as the launcher writes it, with the API's process."""

    def __init__(self, folder, name, value):
        ports = {name: str(free_port()) for name in ("UDP_HTTP_PORT", "UDP_INGEST_PORT", "UDP_MQTT_PORT",
                                                     "UDP_SENSORTHINGS_PORT")}  # fmt: skip
        environment = Environment.read({"UDP_DATA_DIR": str(folder), **ports})
        self.site = Site(environment, Credentials(folder / "secrets"), with_broker=False, gateways=("gw-1",))
        self.site.write()
        (folder / "pages").mkdir(exist_ok=True)
        self.address = f"http://127.0.0.1:{ports['UDP_HTTP_PORT']}"
        self.key = self.site.credentials.text("operator-key")
        (folder / "stadt.toml").write_text(CITY.format(name=name))
        with closing(SqlRegistry(f"sqlite:///{folder}/registry.sqlite")) as registry:
            registry.import_city(read_city(folder / "stadt.toml", load_profiles()))
            streams = registry.inventory().datastreams
        self.number = next(number for number, one in streams.items() if one.key == "air_temperature")
        now = datetime.now(UTC)
        with closing(EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: now)) as store:
            at = np.datetime64((now - timedelta(minutes=3)).replace(tzinfo=None), "us")
            store.append(Observations.build(self.number, [at], [value]))
        with (folder / "api.log").open("wb") as log:
            command = [sys.executable, "-m", "udp", "run", "--config", str(self.site.file("udp"))]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        self.log = folder / "api.log"

    def ask(self, path, key="", body=None):
        """Status and text."""
        headers = {"Content-Type": "application/json"} | ({"X-Api-Key": key} if key else {})
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.address + path, data, headers), timeout=20
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait(self):
        deadline = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            try:
                self.ask("/api/v1/things")
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"{self.address} did not answer: {self.log.read_text()[-2000:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """Started once: the last test ends one of them."""
    tmp_path, made = tmp_path_factory.mktemp("towns"), []
    try:
        made = [Town(tmp_path / "castrop", "Castrop", 11.25), Town(tmp_path / "herne", "Herne", 22.5)]
        for one in made:
            one.wait()
        yield made
    finally:
        for one in made:
            one.stop()


PATHS = (
    "/api/v1/things", "/api/v1/latest", "/api/v1/datastreams/{number}/observations",
    "/v1.1/Things?$expand=Datastreams/Observations", "/ngsi-ld/v1/entities?type=AirQualityObserved",
    "/opendata/", "/api/v1/policy", "/api/v1/operations",
)  # fmt: skip


def test_each_tells_its_own_and_nothing_of_the_other(towns):
    one, other = towns
    told = (("Castrop", "11.25"), ("Herne", "22.5"))
    for town, mine, foreign in ((one, *told), (other, *reversed(told))):
        everything = ""
        for path in PATHS:
            for key in ("", town.key):
                status, text = town.ask(path.replace("{number}", str(town.number)), key)
                assert status in (200, 401), (path, status, text)
                # The shipped policy names its city in both; what is told of places and values does not.
                everything += "" if path in ("/api/v1/policy", "/opendata/") else text
        assert f"Mast {mine[0]}" in everything
        assert mine[1] in everything
        assert f"Mast {foreign[0]}" not in everything
        assert f"Mitte {foreign[0]}" not in everything
        assert foreign[1] not in everything


def test_keys_and_writes_of_one_are_nothing_to_the_other(towns):
    one, other = towns
    assert one.key != other.key
    for town, foreign in ((one, other.key), (other, one.key)):
        assert town.ask("/api/v1/things", foreign)[0] == 401
        assert town.ask("/v1.1/Things", foreign, BANK)[0] == 401
    assert one.ask("/v1.1/Things", one.key, BANK)[0] == 201
    asked = "/v1.1/Things?$count=true&$top=0"
    count = [json.loads(town.ask(asked, town.key)[1])["@iot.count"] for town in towns]
    assert count == [2, 1]


def test_one_may_end_and_the_other_goes_on(towns):
    one, other = towns
    one.process.kill()
    one.process.wait()
    status, text = other.ask("/api/v1/latest", other.key)
    assert status == 200
    assert "22.5" in text
