"""The device register: repeating changes nothing, an import can be taken back, a place keeps its series."""

import time
from datetime import timedelta

import pytest

from edge.wire.identifiers import DevEUI
from udp.devices.exporting import csv_text, write_export
from udp.devices.register import UndoRefused
from udp.devices.vault import DeviceKeys
from udp.errors import ConfigurationError, NotFound
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access

EUI = DevEUI.parse("70B3D50000000001")
NEW = DevEUI.parse("70B3D50000000009")
CITY = """format = 1
[city]
name = "Castrop-Rauxel"
simulated = true
[[thing]]
key = "behaelter-0001"
name = "Behälter aus der Stadtdatei"
kind = "waste_bin"
theme = "papier-und-abfall"
district = "castrop"
district_name = "Castrop (Altstadt)"
latitude = 51.55
longitude = 7.31
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "70B3D50000000001"
profile = "dingtek-df702"
geometry = { empty_mm = 1200, full_mm = 200 }
"""
EMPTY_CITY = CITY[: CITY.index("[[thing]]")]
BARE = {"objekt": "behaelter-0001", "profil": "dingtek-df702", "leer_mm": "1000", "voll_mm": "100"}


def joined(dev_addr, nwk_s_key, app_s_key):
    return DeviceKeys(dev_addr=dev_addr, nwk_s_key=nwk_s_key, app_s_key=app_s_key, joined=True)


def dump(desk, *, with_keys=False):
    return csv_text(desk.register, with_keys=with_keys)


@pytest.fixture
def import_city(desk, tmp_path):
    def from_text(text):
        path = tmp_path / "city.toml"
        path.write_text(text, encoding="utf-8")
        return desk.registry.import_city(read_city(path, load_profiles()))

    return from_text


def test_what_a_table_says_is_what_ingest_finds(desk, row):
    outcome = desk.take_in(row(intervall_s="1800", buergersensor="ja"))
    assert (outcome.added, outcome.changed, outcome.unchanged) == (1, 0, 0)
    inventory = desk.registry.inventory()
    device = inventory.devices[EUI]
    assert (device.thing, device.codec, device.expected_interval_s, device.citizen) == (
        "behaelter-0001", "dingtek-df702", 1800.0, True,
    )  # fmt: skip
    fill = next(one for one in device.channels if inventory.datastreams[one.datastream].key == "fill_level")
    assert fill.scale * 700 + fill.offset == pytest.approx(50.0)
    assert inventory.datastreams[fill.datastream].access is Access.OPEN
    thing = inventory.things["behaelter-0001"]
    assert (thing.location.latitude, thing.location.longitude, thing.simulated) == (51.55, 7.31, False)


def test_what_is_private_stays_in_the_register(desk, row):
    desk.take_in(row(bemerkung="Schlüssel beim Hausmeister", seriennummer="SN-77"))
    thing = desk.registry.inventory().things["behaelter-0001"]
    for private in ("EUV", "Brunnen", ".jpg", "Hausmeister", "SN-77"):
        assert private not in repr(thing)
        assert private in dump(desk)


def test_repeating_an_import_changes_nothing(desk, row, abp):
    rows = [row(1), row(2), row(3, **abp)]
    desk.take_in(*rows)
    before, version, imports = dump(desk, with_keys=True), desk.registry.version(), desk.register.imports()
    outcome = desk.take_in(*rows)
    assert (outcome.number, outcome.added, outcome.changed, outcome.unchanged) == (None, 0, 0, 3)
    assert (dump(desk, with_keys=True), desk.registry.version()) == (before, version)
    assert desk.register.imports() == imports


def test_a_dry_run_tells_every_change_and_makes_none(desk, row):
    desk.take_in(row(1))
    before, version = dump(desk, with_keys=True), desk.registry.version()
    outcome = desk.take_in(row(1, name="Anders"), row(2), dry_run=True)
    assert (outcome.added, outcome.changed) == (1, 1)
    assert [line.split(":")[:2] for line in outcome.rows] == [["Zeile 2", " geändert"], ["Zeile 3", " neu"]]
    assert (dump(desk, with_keys=True), desk.registry.version()) == (before, version)


def test_an_empty_cell_keeps_and_a_dash_clears(desk, row):
    desk.take_in(row(1, bemerkung="alt"))
    desk.take_in({"dev_eui": str(EUI), "standort": "am Tor", "eigentuemer": ""})
    assert "am Tor" in dump(desk) and "EUV" in dump(desk) and "alt" in dump(desk)
    desk.take_in({"dev_eui": str(EUI), "eigentuemer": "-", "bemerkung": "-"})
    assert "EUV" not in dump(desk) and "alt;" not in dump(desk)


def test_undo_puts_back_exactly_what_was(desk, row, abp):
    desk.take_in(row(1), row(2, **abp))
    before, inventory = dump(desk, with_keys=True), desk.registry.inventory()
    desk.take_in(row(1, name="Anders", app_key="ff" + "00" * 15), row(3))
    assert dump(desk, with_keys=True) != before
    assert "Import 2" in desk.register.undo()
    assert dump(desk, with_keys=True) == before
    after = desk.registry.inventory()
    assert (after.things, after.datastreams, after.devices) == (
        inventory.things, inventory.datastreams, inventory.devices,
    )  # fmt: skip
    assert after.version > inventory.version
    desk.register.undo()
    assert desk.registry.inventory().devices == {}
    with pytest.raises(NotFound, match="keinen Import"):
        desk.register.undo()


def test_ids_stay_when_an_undone_table_comes_again(desk, row):
    desk.take_in(row(1))
    ids = {one.key: one.id for one in desk.registry.inventory().datastreams.values()}
    desk.register.undo()
    desk.take_in(row(1))
    assert {one.key: one.id for one in desk.registry.inventory().datastreams.values()} == ids


def test_undo_never_takes_back_what_came_later(desk, row, import_city, make_desk):
    import_city(CITY)
    desk.take_in({"dev_eui": str(NEW), "ersetzt": str(EUI), **BARE})
    desk.register.keep_sessions({NEW: joined(bytes(3) + b"\1", bytes(15) + b"\1", bytes(15) + b"\2")})
    desk.register.undo()  # a session learnt by joining is not the import's
    assert set(desk.registry.inventory().devices) == {EUI}
    desk.take_in(row(2, app_key="0a" * 15 + "0b"))
    another = joined(b"\1\2\3\4", bytes(15) + b"\1", bytes(16))
    desk.register.keep_sessions({DevEUI.parse("70B3D50000000002"): another})
    with pytest.raises(UndoRefused, match="Gerät 70B3D50000000002"):
        desk.register.undo()
    assert DevEUI.parse("70B3D50000000002") in desk.registry.inventory().devices


def test_a_new_device_at_the_same_place_continues_the_series(desk, row, clock):
    desk.take_in(row(1))
    ids = {one.key: one.id for one in desk.registry.inventory().datastreams.values()}
    clock.move(timedelta(days=1))
    exchange = row(1, dev_eui=str(NEW), ersetzt=str(EUI), leer_mm="1100")
    desk.take_in(exchange)
    inventory = desk.registry.inventory()
    assert set(inventory.devices) == {NEW}
    assert {one.key: one.id for one in inventory.datastreams.values()} == ids
    assert {one.datastream for one in inventory.devices[NEW].channels} == set(ids.values())
    assert desk.take_in(exchange).number is None
    assert [entry.kind for entry in desk.register.log("behaelter-0001")] == ["einbau", "tausch"]
    desk.register.undo()
    assert set(desk.registry.inventory().devices) == {EUI}


def test_another_type_at_the_same_place_continues_what_both_measure(desk, row):
    desk.take_in(row(1))
    ids = {one.key: one.id for one in desk.registry.inventory().datastreams.values()}
    desk.take_in(row(1, dev_eui=str(NEW), ersetzt=str(EUI), profil="milesight-em400-mud"))
    inventory = desk.registry.inventory()
    fed = {inventory.datastreams[one.datastream].key for one in inventory.devices[NEW].channels}
    assert {"fill_level", "distance"} <= fed
    now = {one.key: one.id for one in inventory.datastreams.values()}
    assert {key: now[key] for key in ids} == ids


def test_a_device_that_is_taken_down_leaves_its_series(desk, row):
    desk.take_in(row(1))
    streams = desk.registry.inventory().datastreams
    desk.take_in({"dev_eui": str(EUI), "ausgebaut_am": "19.11.2026"})
    inventory = desk.registry.inventory()
    assert (inventory.devices, inventory.datastreams) == ({}, streams)
    assert desk.register.log("behaelter-0001")[0].at == "2026-11-19"
    desk.take_in(row(2, dev_eui=str(EUI), ausgebaut_am="-"))  # now it may hang elsewhere
    assert desk.registry.inventory().devices[EUI].thing == "behaelter-0002"


def test_the_log_is_kept_by_hand_too(desk, row):
    desk.take_in(row(1))
    desk.register.note("behaelter-0001", "batterie", "Zellen getauscht", person="Bauhof", at="2026-11-21")
    last = desk.register.log("behaelter-0001")[-1]
    assert (last.kind, last.text, last.person) == ("batterie", "Zellen getauscht", "Bauhof")
    with pytest.raises(NotFound, match="behaelter-0007"):
        desk.register.note("behaelter-0007", "notiz", "x")


@pytest.mark.parametrize("name", ["alles.csv", "alles.xlsx"])
def test_an_export_comes_back_the_same(desk, row, abp, tmp_path, name):
    desk.take_in(row(1, bemerkung='"ein, zwei"', gelaende_m="61,5"), row(2, **abp))
    path = tmp_path / name
    write_export(desk.register, path, with_keys=True)
    assert path.stat().st_mode & 0o077 == 0
    assert desk.register.take_in(path).unchanged == 2
    empty = SqlRegistry(f"sqlite:///{tmp_path}/leer.sqlite")
    try:
        elsewhere = type(desk)(tmp_path, empty, desk.clock, desk.settings.key.reveal())
        assert elsewhere.register.take_in(path).added == 2
        assert dump(elsewhere, with_keys=True) == dump(desk, with_keys=True)
    finally:
        empty.close()


def test_an_export_shows_keys_only_when_asked(desk, row, abp):
    desk.take_in(row(1), row(2, **abp))
    assert "000102030405" not in dump(desk)
    assert "nwk_s_key" not in dump(desk)
    assert "000102030405060708090A0B0C0D0E0F" in dump(desk, with_keys=True)


def test_the_database_alone_opens_no_key(desk, row, abp, tmp_path):
    desk.take_in(row(1), row(2, **abp))
    desk.register.undo()
    desk.take_in(row(1), row(2, **abp))
    for path in tmp_path.glob("registry.sqlite*"):
        octets = path.read_bytes()
        for key in ("000102030405060708090a0b0c0d0e0f", "202122232425262728292a2b2c2d2e2f"):
            assert bytes.fromhex(key) not in octets
            assert key.encode() not in octets.lower()


def test_keys_without_a_key_to_seal_them_are_refused(make_desk, row):
    poor = make_desk(None)
    with pytest.raises(ConfigurationError, match="udp devices new-key"):
        poor.take_in(row(1))
    assert poor.registry.inventory().devices == {}
    assert poor.take_in(row(1, app_key=None)).added == 1


def test_a_city_import_leaves_the_registers_devices_alone(desk, row, import_city):
    import_city(CITY)
    desk.take_in(row(2), row(3))
    before = desk.registry.inventory()
    assert import_city(CITY).retired == 0
    assert desk.registry.inventory() == before
    import_city(EMPTY_CITY)
    assert set(desk.registry.inventory().devices) == {
        DevEUI.parse("70B3D50000000002"), DevEUI.parse("70B3D50000000003"),
    }  # fmt: skip


def test_a_city_import_does_not_bring_a_replaced_device_back(desk, import_city):
    import_city(CITY)
    ids = {one.key: one.id for one in desk.registry.inventory().datastreams.values()}
    assert desk.take_in({"dev_eui": str(NEW), "ersetzt": str(EUI), **BARE}).findings == ()
    import_city(CITY)
    inventory = desk.registry.inventory()
    assert set(inventory.devices) == {NEW}
    assert {one.key: one.id for one in inventory.datastreams.values()} == ids
    assert inventory.things["behaelter-0001"].name == "Behälter aus der Stadtdatei"
    assert {one.access for one in inventory.datastreams.values()} == {Access.OPEN, Access.INTERNAL}


def test_the_city_file_still_moves_its_own_things(desk, import_city):
    import_city(CITY)
    desk.take_in({"dev_eui": str(NEW), "ersetzt": str(EUI), **BARE, "eigentuemer": "EUV"})
    import_city(CITY.replace("51.55", "51.56"))
    assert desk.registry.inventory().things["behaelter-0001"].location.latitude == 51.56
    assert "51.56" in dump(desk)


def test_a_thing_stays_while_a_device_of_the_register_hangs_on_it(desk, import_city):
    import_city(CITY)
    desk.take_in({"dev_eui": str(NEW), "ersetzt": str(EUI), **BARE})
    import_city(EMPTY_CITY)
    inventory = desk.registry.inventory()
    assert set(inventory.things) == {"behaelter-0001"}
    assert {inventory.datastreams[one.datastream].thing for one in inventory.devices[NEW].channels} == {
        "behaelter-0001"
    }


def test_a_city_file_that_measures_the_same_again_is_refused(desk, row, import_city):
    desk.take_in(row(1, dev_eui=str(NEW)))
    with pytest.raises(ConfigurationError, match=r"70B3D50000000001 measures what device\s+70B3D50000000009"):
        import_city(CITY)
    assert set(desk.registry.inventory().devices) == {NEW}


def test_a_devices_session_is_kept_and_told(desk, row):
    desk.take_in(row(1))
    session = (b"\1\2\3\4", bytes(range(16)), bytes(range(1, 17)))
    assert desk.register.keep_sessions({EUI: joined(*session)}) == {EUI}
    assert not desk.register.keep_sessions({EUI: joined(*session)})
    keys = desk.register.keys(desk.register.held(), EUI)
    assert (keys.dev_addr, keys.nwk_s_key, keys.app_s_key) == session
    assert keys.app_key == bytes(range(16))
    with pytest.raises(NotFound, match="70B3D50000000009"):
        desk.register.keep_sessions({NEW: joined(*session)})


def test_a_thousand_devices_come_in_within_ten_seconds(desk, row, abp):
    rows = [row(number, **(abp if number % 2 else {})) for number in range(1, 1001)]
    started = time.process_time()  # its own time: what else the machine does is not its fault
    assert desk.take_in(*rows).added == 1000
    assert time.process_time() - started < 10
    assert desk.take_in(*rows).unchanged == 1000
    broken = [{**one, "breite": "x"} if number % 10 == 0 else one for number, one in enumerate(rows)]
    assert len(desk.take_in(*broken).findings) == 100
    desk.register.undo()
    assert desk.registry.inventory().devices == {}
