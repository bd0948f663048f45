"""A city behind the real interface (register, store, ledger, uvicorn), its pages drawn by the real
command, and a real Chromium to read them."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from dashboards.__main__ import main
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import Reception
from edge.wire.settings import Secret
from udp.api.app import create_app
from udp.api.desk import Ports
from udp.auth import SqlKeys
from udp.citizens.office import Office
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.devices.settings import DeviceSettings
from udp.devices.vault import Vault, new_key
from udp.forecasting.sql import SqlForecasts
from udp.ledger.port import Page, Quarantined, SeenUplink, SequenceRun
from udp.ledger.sql import SqlLedger
from udp.registry.port import Channel, CityDescription, Device, WiredSensor
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Quality, QualityRule, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore
from udp.weather.archive import Archive
from udp.weather.mosmix import PointForecast

KEY = "operator-key-of-this-test"
STATIONS = 4
BINS = 60
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--disable-default-apps", "--disable-dev-shm-usage",
)  # fmt: skip

_AIR = ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/air_temperature")
_RAIN = ObservedProperty("precipitation", "Niederschlag", "https://example.org/precipitation")
_LEVEL = ObservedProperty("fill_level", "Füllstand", "https://example.org/fill_level")
_BACKLOG = ObservedProperty("backlog_messages", "Rückstand", "https://example.org/backlog_messages")
_DISTRICTS = (("rauxel", "Rauxel"), ("ickern", "Ickern"), ("castrop", "Castrop (Altstadt)"))

_CONTRAST = r"""
const parse = text => text.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length) continue;
  const svg = e instanceof SVGElement;
  const front = luminance(parse(getComputedStyle(e)[svg ? 'fill' : 'color']));
  const back = luminance(behind(svg ? e.closest('figure') : e));
  const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  if (ratio < 4.5) poor.push([ratio.toFixed(2), e.outerHTML.slice(0, 100)]);
}
return poor;
"""


def _thing(key: str, name: str, kind: str, theme: str, number: int) -> Thing:
    district, district_name = _DISTRICTS[number % len(_DISTRICTS)]
    return Thing(key, name, kind, theme, Location(51.57, 7.31, district, district_name), simulated=True)


def _stream(
    position: int, thing: str, observed: ObservedProperty, unit: Unit, access: Access = Access.OPEN
) -> Datastream:
    licence, exemption = ("dl-de/zero-2-0", None) if access is Access.OPEN else ("", "data_protection")
    return Datastream(
        position,
        observed.key,
        observed.name,
        thing,
        "Sensor",
        observed,
        unit,
        access,
        exemption,
        licence,
        600,
    )


def describe() -> CityDescription:
    """Stations (air and rain), bins, and one gateway whose agent reports for operators only."""
    things: list[Thing] = []
    streams: list[Datastream] = []
    devices: list[Device] = []
    for number in range(STATIONS):
        key = f"wetter-{number}"
        things.append(_thing(key, f"Wetterstation {number + 1}", "weather_station", "wetter", number))
        streams.append(_stream(len(streams), key, _AIR, Unit("Cel", "Grad Celsius")))
        streams.append(_stream(len(streams), key, _RAIN, Unit("mm", "Millimeter")))
    for number in range(BINS):
        key = f"behaelter-{number:04}"
        things.append(
            _thing(
                key, f"Unterflurbehälter Bahnhofstraße {number + 1}", "waste_bin", "papier-und-abfall", number
            )
        )
        eui = DevEUI.parse(f"{number + 1:016x}")
        devices.append(
            Device(eui, key, "dingtek-df702", "dingtek-df702", (Channel(len(streams), "level"),), 600.0)
        )
        streams.append(_stream(len(streams), key, _LEVEL, Unit("%", "Prozent")))
    things.append(_thing("gateway-1", "Gateway Rathaus", "gateway", "netz", 0))
    agent = WiredSensor("crx-gw-1", "agent", "gateway-1", (Channel(len(streams), "backlog_messages"),))
    streams.append(_stream(len(streams), "gateway-1", _BACKLOG, Unit("1", ""), Access.INTERNAL))
    return CityDescription("Castrop-Rauxel", True, tuple(things), tuple(streams), tuple(devices), (agent,))


@dataclass
class City:
    """Where everything is."""

    address: str
    pages: Path
    registry: SqlRegistry
    store: EmbeddedStore
    started: datetime
    ledger: SqlLedger
    office: Office

    def number(self, thing: str, key: str) -> int:
        """The id of a Datastream."""
        streams = self.registry.inventory().datastreams
        return next(one.id for one in streams.values() if (one.thing, one.key) == (thing, key))


def _fill(city: City) -> None:
    """A week of values; one station with a gap, one stale, one gone, one bad, one never heard."""
    minutes = np.arange(0, 7 * 24 * 60, 10)
    start = np.datetime64(city.started.replace(tzinfo=None), "us")
    for stream in city.registry.inventory().datastreams.values():
        number = int(stream.thing.split("-")[-1])
        if stream.thing == "behaelter-0003":
            continue
        late = {"behaelter-0001": 30, "behaelter-0002": 120}.get(stream.thing, 0)
        kept = minutes[minutes >= late]
        if stream.thing == "wetter-0":
            kept = kept[(kept < 2000) | (kept > 3200)]
        times = start - kept.astype("timedelta64[m]")
        values = {
            "air_temperature": 9 + 4 * np.sin(kept / 1440 * 2 * math.pi) + number / 10,
            "precipitation": np.where(kept % 600 < 60, 0.4, 0.0),
            "fill_level": (kept / 90 + number * 7) % 100,
        }.get(stream.key, np.zeros(len(kept)))
        quality = np.full(len(kept), int(Quality.GOOD))
        quality[5::50] = int(Quality.SUSPECT)
        if stream.thing == "behaelter-0004":
            quality[0] = int(Quality.BAD)
        city.store.append(
            Observations.build(stream.id, times, values, quality=quality, rule=QualityRule.RANGE)
        )


def _expect(store: EmbeddedStore, forecasts: SqlForecasts, now: datetime) -> None:
    """What a weather service said three hours ago: rain tonight, as sure as such services are."""
    issued = now - timedelta(hours=3)
    hours = np.arange(1, 72)
    rain = np.where(hours % 9 < 2, 1.4, 0.02)
    over = {0.1: np.where(rain > 1, 0.7, 0.05), 1.0: np.where(rain > 1, 0.4, 0.01), 5.0: np.full(71, 0.01)}
    valid = np.datetime64(issued.replace(tzinfo=None), "us") + hours * np.timedelta64(1, "h")
    warm = 6 + 4 * np.sin(hours / 24 * 2 * math.pi)
    made = PointForecast(issued, "Probe", "10416", valid, rain, over, warm, 0.6 + hours / 60)
    Archive(store, forecasts).keep_forecast(made, issued + timedelta(minutes=70))


def _tell(ledger: SqlLedger, now: datetime) -> None:
    reception = Reception(GatewayEUI(b"\xaa" * 8), "crx-gw-1", now, -90.0, 7.0)
    ledger.write(
        Page(
            uplinks=[SeenUplink(b"x", f"{1:016x}", b"abcd", 7, now, "edge", (reception,))],
            runs=[
                SequenceRun("crx-gw-1", b"s" * 16, first, last, 1, now, now)
                for first, last in ((1, 5), (9, 12))
            ],
            quarantined=[Quarantined(now, "edge", "crx-gw-1", "no CBOR", "look at the agent", b"\x00\xff")],
            counters={"messages_edge": 9},
            conditions={"broker": "would drop messages silently; set max_queued_bytes"},
        )
    )


def _office(registry: SqlRegistry) -> Office:
    settings = CitizenSettings(webhook_url="https://eingang.example.org")
    projects = CitizenProjects(registry.database, settings, Vault(Secret(new_key())))
    return Office(projects, load_profiles(), registry.inventory, settings, DeviceSettings())


def _config(folder: Path, city: City) -> Path:
    (folder / "operator.key").write_text(KEY)
    path = folder / "dashboards.toml"
    path.write_text(
        f'pages_dir = "{city.pages}"\noperator_pages_dir = "{city.pages}/betrieb"\n'
        f'api_url = "{city.address}"\noperator_key = {{ file = "{folder}/operator.key" }}\n'
    )
    return path


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Served and drawn once for all tests, which only read."""
    folder = tmp_path_factory.mktemp("city")
    started = datetime.now(UTC).replace(microsecond=0)
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    registry.import_city(describe())
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))
    pages = folder / "pages"
    forecasts = SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")
    keys = SqlKeys(registry.database, Secret(KEY))
    ports = Ports(registry, store, ledger, keys, pages, forecasts=forecasts)
    office = _office(registry)
    app = create_app(replace(ports, citizens=office))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = City(
            f"http://127.0.0.1:{listener.getsockname()[1]}", pages, registry, store, started, ledger, office
        )
        _fill(made)
        _expect(store, forecasts, started)
        _tell(ledger, started - timedelta(seconds=1))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert main(["render-once", "--config", str(_config(folder, made))]) == 0
            yield made
        finally:
            server.should_exit = True
            thread.join(timeout=20)
    store.close()
    forecasts.close()
    ledger.close()
    registry.close()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed; apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


_ENDS = ("loadingFinished", "loadingFailed")


def _requests(events: list[dict[str, Any]], *kinds: str) -> set[str]:
    return {one["params"]["requestId"] for one in events if one["method"].partition(".")[2] in kinds}


@dataclass
class Browser:
    """Chromium with a memory of what it asked the network for."""

    driver: webdriver.Chrome

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """As a telephone or a desk shows it, at one pixel per pixel."""
        self._do(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = "dark" if dark else "light"
        self._do(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    def scripts(self, *, on: bool) -> None:
        """Whether pages may run JavaScript."""
        self._do("Emulation.setScriptExecutionDisabled", {"value": not on})

    def first_visit(self, address: str) -> list[dict[str, Any]]:
        """Load with an empty cache; the network events of it, until every request has come to its end."""
        self.driver.get("about:blank")  # what the page before still asked for is given up here
        self._do("Network.enable", {})
        self._do("Network.clearBrowserCache", {})
        self.driver.get_log("performance")
        self.driver.get(address)
        events: list[dict[str, Any]] = []

        def ended(driver: webdriver.Chrome) -> bool:
            said = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
            events.extend(one for one in said if one["method"].startswith("Network."))
            return _requests(events, "requestWillBeSent") <= _requests(events, *_ENDS)

        WebDriverWait(self.driver, 60).until(ended, "a request of the page has no end")
        asked = _requests(events, "requestWillBeSent")
        return [one for one in events if one["params"].get("requestId") in asked]

    def until(self, script: str, wanted: Any) -> None:
        """Wait for this result: a key that is pressed comes back before what it brings about."""
        found: list[Any] = []

        def come(driver: webdriver.Chrome) -> bool:
            found[:] = [driver.execute_script(script)]
            return bool(found[0] == wanted)

        try:
            WebDriverWait(self.driver, 30).until(come)
        except TimeoutException:
            pytest.fail(f"{script}: {found} instead of {wanted!r}")

    def forget(self) -> None:
        """No cookie of an earlier visit."""
        self._do("Network.clearBrowserCookies", {})

    def run(self, script: str, *given: Any) -> Any:
        """Its result."""
        return self.driver.execute_script(script, *given)

    def poor_contrast(self) -> Any:
        """Texts whose computed colours are too close to what lies behind them (WCAG 2.2, 1.4.3)."""
        return self.run(_CONTRAST)

    def _do(self, command: str, parameters: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)


@pytest.fixture(scope="session")
def start_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Browser]]:
    """Starts Chromium once, when the first test wants it."""
    drivers: list[webdriver.Chrome] = []

    def start() -> Browser:
        if not drivers:
            options = webdriver.ChromeOptions()
            options.binary_location = _program("chromium")
            for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
                options.add_argument(flag)
            options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
            drivers.append(webdriver.Chrome(options=options, service=Service(_program("chromedriver"))))
            drivers[0].set_page_load_timeout(60)
        return Browser(drivers[0])

    yield start
    for driver in drivers:
        driver.quit()


@pytest.fixture
def browser(start_browser: Callable[[], Browser]) -> Iterator[Browser]:
    """At desk size, light, with JavaScript."""
    made = start_browser()
    made.size(1280, 800)
    yield made
    made.scripts(on=True)
