"""What every registry keeps: ids stay, repeating changes nothing, nobody is deleted, others read on."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.devices.register import DeviceRegister
from udp.devices.settings import DeviceSettings
from udp.errors import ConfigurationError, RegistryUnavailable
from udp.registry.port import Changes, Channel, CityDescription, Device, WiredSensor
from udp.registry.profiles import load_profiles
from udp.registry.schema import metadata
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit

LEVEL = ObservedProperty("fill_level", "Füllstand", "https://example.org/fill_level")
PLACE = Location(51.55, 7.31, "castrop", "Castrop (Altstadt)")


def _thing(number: int) -> Thing:
    return Thing(
        key=f"behaelter-{number:04}",
        name=f"Behälter {number}",
        kind="waste_bin",
        theme="papier-und-abfall",
        location=PLACE,
        simulated=True,
        properties={"volumen_l": 120.0, "neu": True},
    )


def _stream(position: int, thing: int) -> Datastream:
    return Datastream(
        id=position,
        key="fill_level",
        name="Füllstand",
        thing=f"behaelter-{thing:04}",
        sensor="Dingtek DF702",
        observed_property=LEVEL,
        unit=Unit("%", "Prozent"),
        access=Access.OPEN,
        exemption=None,
        licence="dl-de/zero-2-0",
        expected_interval_s=3600.0,
    )


def _city(numbers: list[int]) -> CityDescription:
    devices = tuple(
        Device(
            dev_eui=DevEUI(number.to_bytes(8, "big")),
            thing=f"behaelter-{number:04}",
            profile="dingtek-df702",
            codec="dingtek-df702",
            channels=(Channel(position, "level", -0.1, 120.0, minimum=0.0, maximum=100.0),),
            expected_interval_s=3600.0,
        )
        for position, number in enumerate(numbers)
    )
    wired = (WiredSensor("crx-pole-1", "agent", f"behaelter-{numbers[0]:04}", (Channel(0, "backlog"),)),)
    return CityDescription(
        name="Castrop-Rauxel",
        simulated=True,
        things=tuple(_thing(number) for number in numbers),
        datastreams=tuple(_stream(position, number) for position, number in enumerate(numbers)),
        devices=devices,
        wired=wired,
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.external_service)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/registry.sqlite"
        return
    address = request.getfixturevalue("postgresql")
    yield address
    engine = create_engine(address)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def registry(url: str) -> Iterator[SqlRegistry]:
    opened = SqlRegistry(url)
    yield opened
    opened.close()


def _ids(registry: SqlRegistry) -> dict[str, int]:
    return {stream.thing: number for number, stream in registry.inventory().datastreams.items()}


def test_what_was_imported_is_what_is_there(registry: SqlRegistry) -> None:
    city = _city([1, 2, 3])
    assert registry.import_city(city) == Changes(added=10, changed=0, unchanged=0, retired=0)
    inventory = registry.inventory()
    assert inventory.things == {thing.key: thing for thing in city.things}
    ids = _ids(registry)
    for wanted in city.datastreams:
        assert inventory.datastreams[ids[wanted.thing]] == replace(wanted, id=ids[wanted.thing])
    for device in city.devices:
        (channel,) = device.channels
        expected = replace(device, channels=(replace(channel, datastream=ids[device.thing]),))
        assert inventory.devices[device.dev_eui] == expected
    assert inventory.wired["crx-pole-1", "agent"].channels[0].datastream == ids["behaelter-0001"]


def test_repeating_an_import_changes_nothing(registry: SqlRegistry) -> None:
    city = _city([1, 2, 3])
    registry.import_city(city)
    before, version = registry.inventory(), registry.version()
    assert registry.import_city(city) == Changes(added=0, changed=0, unchanged=10, retired=0)
    assert registry.version() == version
    assert registry.inventory() == before


def test_ids_never_move_whatever_comes_goes_and_returns(registry: SqlRegistry) -> None:
    registry.import_city(_city([1, 2, 3]))
    first = _ids(registry)
    registry.import_city(_city([5, 3]))
    assert set(_ids(registry)) == {"behaelter-0003", "behaelter-0005"}
    registry.import_city(_city([4, 3, 2, 1, 5]))
    last = _ids(registry)
    assert {thing: last[thing] for thing in first} == first
    assert len(set(last.values())) == 5


def test_what_is_no_longer_described_is_retired_and_counted(registry: SqlRegistry) -> None:
    registry.import_city(_city([1, 2, 3]))
    assert registry.import_city(_city([1, 2])) == Changes(added=0, changed=0, unchanged=7, retired=3)
    assert DevEUI(b"\0" * 7 + b"\3") not in registry.inventory().devices
    assert registry.import_city(_city([1, 2])).retired == 0


def test_the_version_grows_with_every_change(registry: SqlRegistry) -> None:
    versions = [registry.version()]
    for numbers in ([1], [1, 2], [2]):
        registry.import_city(_city(numbers))
        versions.append(registry.version())
        assert registry.inventory().version == versions[-1]
    assert versions == sorted(set(versions))


def test_a_change_of_one_field_is_one_change(registry: SqlRegistry) -> None:
    city = _city([1, 2])
    registry.import_city(city)
    moved = replace(city.things[0], location=replace(PLACE, latitude=51.6))
    changes = registry.import_city(replace(city, things=(moved, city.things[1])))
    assert changes == Changes(added=0, changed=1, unchanged=6, retired=0)
    assert registry.inventory().things["behaelter-0001"].location.latitude == 51.6


def test_a_preview_tells_and_does_nothing(registry: SqlRegistry) -> None:
    registry.import_city(_city([1]))
    before, version = registry.inventory(), registry.version()
    assert registry.preview(_city([2, 3])) == Changes(added=6, changed=1, unchanged=0, retired=3)
    assert (registry.inventory(), registry.version()) == (before, version)
    assert registry.import_city(_city([1])).added == 0


def test_readers_in_other_threads_see_one_state_or_the_other(url: str, registry: SqlRegistry) -> None:
    """Even and odd cities share no Thing: a mixed inventory would have dangling channels."""
    registry.import_city(_city([2, 4, 6]))
    stop, seen, torn = threading.Event(), [0], []

    def watch() -> None:
        reader = SqlRegistry(url)
        while not stop.is_set():
            inventory = reader.inventory()
            seen[0] += 1
            for device in inventory.devices.values():
                if device.thing not in inventory.things or any(
                    channel.datastream not in inventory.datastreams for channel in device.channels
                ):
                    torn.append(inventory.version)
        reader.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    while not seen[0] and watcher.is_alive():
        time.sleep(0.001)  # it reads beside every import, however slowly threads come up
    for turn in range(30):
        registry.import_city(_city([1, 3, 5] if turn % 2 else [2, 4, 6]))
    stop.set()
    watcher.join(timeout=60)
    assert seen[0] > 0
    assert torn == []


def test_another_process_reads_and_writes_the_same_register(url: str, registry: SqlRegistry) -> None:
    registry.import_city(_city([1, 2]))
    program = (
        "import sys; from udp.registry.sql import SqlRegistry; r = SqlRegistry(sys.argv[1]);"
        "print(r.version(), len(r.inventory().datastreams))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.split() == [str(registry.version()), "2"]


def test_many_openers_at_once_make_one_register(url: str) -> None:
    barrier, failures = threading.Barrier(6), []

    def open_it() -> None:
        barrier.wait()
        try:
            SqlRegistry(url).close()
        except (RegistryUnavailable, ConfigurationError) as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    registry = SqlRegistry(url)
    assert registry.version() == 1
    registry.close()


def _as_the_first_version_made_it(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("thing", "datastream", "device", "wired_sensor"):
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN origin"))
        connection.execute(text("ALTER TABLE device DROP COLUMN counter_reset"))
        for table in ("device_record", "thing_record", "device_secret", "device_import", "maintenance"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE register SET schema_version = 1"))
    engine.dispose()


def test_a_register_of_the_first_version_is_taken_over(url: str) -> None:
    first = SqlRegistry(url)
    first.import_city(_city([1, 2]))
    before = first.inventory()
    first.close()
    _as_the_first_version_made_it(url)
    now = SqlRegistry(url)
    assert now.inventory() == before
    assert now.import_city(_city([1, 2])) == Changes(added=0, changed=0, unchanged=7, retired=0)
    now.close()


def test_a_register_of_a_later_version_is_left_alone(url: str) -> None:
    SqlRegistry(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE register SET schema_version = 99"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="version 99"):
        SqlRegistry(url)


DEVICES = [
    "objekt;name;art;thema;ortsteil;ortsteil_name;breite;laenge;dev_eui;profil;leer_mm;voll_mm;app_key;join_eui",
    "b-1;B 1;waste_bin;papier-und-abfall;castrop;Castrop;51.5;7.3;70B3D50000000001;dingtek-df702;900;100;"
    + "0f" * 15
    + "1e;70B3D57ED0000001",
    "behaelter-0001;;;;;;;;70B3D50000000002;elsys-ers-co2;;;;",
]


def test_a_device_table_comes_in_repeats_and_goes_back(registry: SqlRegistry, tmp_path: Path) -> None:
    registry.import_city(_city([1, 2]))
    before = registry.inventory()
    settings = DeviceSettings(key=Secret("A" * 43))
    register = DeviceRegister(registry.database, load_profiles(), settings, lambda: datetime.now(UTC))
    table = tmp_path / "devices.csv"
    table.write_text("\n".join(DEVICES), encoding="utf-8")
    assert (register.take_in(table).findings, register.take_in(table).unchanged) == ((), 2)
    assert set(registry.inventory().devices) > set(before.devices)
    held = register.held()
    assert register.keys(held, DevEUI.parse("70B3D50000000001")).app_key == bytes([15] * 15 + [30])
    assert registry.import_city(_city([2])).retired == 2  # device and Datastream; the first Thing is needed
    registry.import_city(_city([1, 2]))
    register.undo()
    after = registry.inventory()
    assert (after.things, after.datastreams, after.devices) == (
        before.things, before.datastreams, before.devices,
    )  # fmt: skip


def test_a_register_that_cannot_be_opened_says_which(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="nowhere"):
        SqlRegistry(f"sqlite:///{tmp_path}/nowhere/registry.sqlite")


def test_an_address_that_means_nothing_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlRegistry("oraclee://user:geheim@host/x")
    assert "geheim" not in str(caught.value)


def test_ten_thousand_devices_come_in_and_repeat_as_unchanged(registry: SqlRegistry) -> None:
    """Correctness of a large import; the time is the benchmark's matter."""
    city = _city(list(range(1, 10_001)))
    assert registry.import_city(city).added == 30_001
    assert registry.import_city(city).unchanged == 30_001
