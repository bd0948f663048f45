"""A year of one device, decoded anew by a corrected codec: what the report says, and what follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.instants import microseconds
from edge.wire.messages import Clock, Envelope, Reception, Uplink
from ingest.__main__ import main
from ingest.journal import Delivery, JournalSettings, JournalWriter
from udp.api.representations import raw_csv
from udp.api.view import view_of
from udp.datasets.reading import read_policy
from udp.policy import Gate
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.roles import Caller, Role
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

START = datetime(2025, 6, 1, tzinfo=UTC)
HOURS = 365 * 24
WHOLE = Period(START, START + timedelta(days=365))
DEVICE = DevEUI(bytes.fromhex("0102030405060708"))
DAY = timedelta(days=1)
# The published codec forgot the sign; the corrected one also knows that 7fff is no measurement.
WRONG = "var raw = (b[0] << 8) | b[1]; return { data: { t: raw / 10, v: b[2] / 10 } };"
RIGHT = (
    "var raw = (b[0] << 24 >> 16) | b[1]; var data = { v: b[2] / 10, h: b[0] };"
    "if (raw !== 0x7fff) data.t = raw / 10; return { data: data };"
)
PROFILE = """name = "{name}"
codec = "{name}.js"
sensor = "Testgerät"
expected_interval_s = 3600
[[channel]]
field = "t"
key = "air_temperature"
observed_property = "air_temperature"
unit = "{unit}"
minimum = -40.0
maximum = 60.0
[[channel]]
field = "v"
key = "battery_voltage"
observed_property = "battery_voltage"
unit = "V"
"""
CITY = """format = 1
[city]
name = "Teststadt"
simulated = true
[[thing]]
key = "wetter-1"
name = "Wetter am Rathaus"
kind = "weather_station"
theme = "wetter"
district = "castrop"
district_name = "Castrop"
latitude = 51.55
longitude = 7.31
[[thing.device]]
dev_eui = "0102030405060708"
profile = "first"
"""


def celsius(hour: int) -> float:
    """A year with frost; every 500th message says that nothing was measured."""
    return round(10 - 15 * np.cos(2 * np.pi * (hour + 4000) / HOURS), 1)


def octets(hour: int) -> bytes:
    raw = 0x7FFF if hour % 500 == 250 else round(celsius(hour) * 10)
    return raw.to_bytes(2, "big", signed=True) + bytes((36,))


def uplink(hour: int) -> Uplink:
    at = START + timedelta(hours=hour)
    heard = Reception(GatewayEUI(b"\x01" * 8), "gw-1", at)
    return Uplink(DEVICE, b"\x26\x01\x1b\xda", hour, 1, octets(hour), at, Clock.NTP, (heard,))


Replay = Callable[..., str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with register, profiles, configuration; nothing was heard yet."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    for name, body in (("first", WRONG), ("second", RIGHT)):
        text = PROFILE.format(name=name, unit="Cel")
        (profiles / f"{name}.toml").write_text(text, "utf-8")
        (profiles / f"{name}.js").write_text(
            f"function decodeUplink(input) {{ var b = input.bytes; {body} }}", "utf-8"
        )
    (tmp_path / "city.toml").write_text(CITY, "utf-8")
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    registry.import_city(read_city(tmp_path / "city.toml", load_profiles(own=profiles)))
    registry.close()
    config = tmp_path / "ingest.toml"
    config.write_text(
        "\n".join(
            (
                f"registry = {json.dumps(f'sqlite:///{tmp_path}/registry.sqlite')}",
                f"ledger = {json.dumps(f'sqlite:///{tmp_path}/ledger.sqlite')}",
                f"journal = {{ directory = {json.dumps(str(tmp_path / 'journal'))} }}",
                f"javascript = {{ directory = {json.dumps(str(profiles))} }}",
                f"store = {{ embedded = {{ folder = {json.dumps(str(tmp_path / 'store'))} }} }}",
            )
        ),
        "utf-8",
    )
    return tmp_path


@pytest.fixture
def year(place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, Replay]:
    """A journal of a year, the store with the wrong codec's values; and the command."""
    writer = JournalWriter(
        JournalSettings(directory=place / "journal", keep_free_bytes=0), "ingest-1", lambda: WHOLE.end
    )
    for first in range(0, HOURS, 24):
        day = tuple(uplink(hour) for hour in range(first, first + 24))
        envelope = Envelope("gw-1", b"spool-01", first + 1, 1, day[-1].received_at, day)
        at = microseconds(day[-1].received_at)
        writer.append([Delivery(at, "edge", "udp/v1/gw-1/up", "", cbor.encode(envelope))])
    writer.close()
    config = place / "ingest.toml"

    def replay(*more: str) -> str:
        call = ["replay", "--config", str(config), "--since", "2025-01-01T00:00Z", "--device", str(DEVICE)]
        assert main([*call, *more]) == 0
        return capsys.readouterr().out

    replay()
    return place, replay


def store_of(folder: Path) -> EmbeddedStore:
    return EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))


def test_a_year_follows_a_corrected_codec_once_and_traceably(year: tuple[Path, Replay]) -> None:
    folder, replay = year
    frost = [hour for hour in range(HOURS) if celsius(hour) < 0 and hour % 500 != 250]
    nothing = [hour for hour in range(HOURS) if hour % 500 == 250]
    before = store_of(folder)
    (temperature, _) = streams = sorted(set(before.latest(None).datastream.tolist()))
    wrong = before.read([temperature], WHOLE)
    before.close()

    dry = replay("--profile", "second", "--dry-run")
    assert "Wetter am Rathaus, Lufttemperatur (air_temperature) in Cel" in dry
    assert f"{len(frost):>10} changed" in dry
    assert f"{len(nothing):>10} lost" in dry
    coldest = max(frost, key=celsius)  # 6553.5 -> -0.1 is the farthest way
    first = START + timedelta(hours=frost[0])
    assert f"first        {first.isoformat()}" in dry
    assert f"{celsius(coldest) + 6553.6:g} -> {celsius(coldest):g} Cel" in dry
    assert f"first        {(START + timedelta(hours=250)).isoformat()}  3276.7 -> nothing Cel" in dry
    assert "stays registered with profile 'first'" in dry
    unchanged = store_of(folder)
    assert unchanged.read([temperature], WHOLE).result.tolist() == wrong.result.tolist()
    unchanged.close()

    written = replay("--profile", "second", "--withdraw-lost")
    assert f"{len(frost):>10} values differ and were written as a higher revision" in written
    again = replay("--profile", "second", "--withdraw-lost")
    assert " changed" not in again.split("deliveries read")[0]
    assert f"{0:>10} values differ" in again
    assert f"{0:>10} values in the store are no longer produced" in again

    store = store_of(folder)
    now = store.read([temperature], WHOLE)
    good = now.take(now.quality != Quality.BAD)
    assert good.result.tolist() == [celsius(hour) for hour in range(HOURS) if hour not in set(nothing)]
    withdrawn = now.take(now.rule == QualityRule.WITHDRAWN)
    assert withdrawn.result.tolist() == [3276.7] * len(nothing)
    as_it_was = store.read([temperature], WHOLE, as_of=WHOLE.end)
    assert as_it_was.result.tolist() == wrong.result.tolist()
    hourly = store.aggregate([temperature], WHOLE, timedelta(hours=1), [Function.MEAN])
    assert len(hourly.bucket) == HOURS - len(nothing)
    daily = store.aggregate([temperature], WHOLE, DAY, [Function.MINIMUM, Function.MAXIMUM])
    assert len(daily.bucket) == 365
    assert float(daily.values[Function.MINIMUM].min()) == min(celsius(h) for h in frost)
    assert float(daily.values[Function.MAXIMUM].max()) <= 25.0
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    inventory = registry.inventory()
    stream = inventory.datastreams[streams[0]]
    view = view_of(inventory, Gate(read_policy(None)), Caller(Role.OPERATOR))
    table = raw_csv(now, stream, view, WHOLE.end)
    assert "6553" not in table
    assert "withdrawn" in table
    registry.close()
    store.close()


def test_a_profile_that_cannot_be_meant_is_refused_before_anything_is_read(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["replay", "--config", str(place / "ingest.toml"), "--since", "2025-01-01T00:00Z"]
    other = place / "other.toml"
    other.write_text(PROFILE.format(name="second", unit="hPa"), "utf-8")
    for more, says in (
        (["--profile", "second"], "--profile needs --device"),
        (["--profile", "third", "--device", str(DEVICE)], "profile 'third' is not known"),
        (["--profile", "pole-air", "--device", str(DEVICE)], "is for wired sensors"),
        (["--profile", str(other), "--device", str(DEVICE)], "a Datastream keeps its unit"),
    ):
        assert main([*call, *more]) == 2
        assert says in capsys.readouterr().err
