"""Whatever tables come in whatever order: nothing is measured twice, exports come back, undo leads back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire.settings import Secret
from udp.devices.exporting import csv_text
from udp.devices.register import DeviceRegister
from udp.devices.settings import DeviceSettings
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

PROFILES = load_profiles()
HEADINGS = (
    "objekt;name;art;thema;ortsteil;ortsteil_name;breite;laenge;dev_eui;profil;leer_mm;voll_mm;standort;"
    "app_key;join_eui;ersetzt;ausgebaut_am"
)


@st.composite
def rows(draw: st.DrawFn) -> str:
    thing, device = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    profile = draw(st.sampled_from(["dingtek-df702", "milesight-em400-mud", "elsys-ers-co2"]))
    measures = ["", ""] if profile == "elsys-ers-co2" else [str(draw(st.integers(900, 902))), "100"]
    old = draw(st.sampled_from(["", *(f"70B3D5000000000{number}" for number in range(1, 5))]))
    return ";".join(
        [
            f"ort-{thing}", f"Ort {thing}", "waste_bin", "schulen", "castrop", "Castrop", "51.5", "7.3",
            f"70B3D5000000000{device}", profile, *measures, draw(st.sampled_from(["", "-", "oben", "unten"])),
            draw(st.sampled_from(["", "01" * 15 + "02", "03" * 15 + "04"])), "70B3D57ED0000001", old,
            draw(st.sampled_from(["", "", "", "-", "19.11.2026"])),
        ]
    )  # fmt: skip


class History:
    """A register, and what it said before each import that changed it."""

    def __init__(self, folder: str, clock) -> None:
        self.folder = Path(folder)
        self.registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        made = DeviceSettings(key=Secret("A" * 43))
        self.register = DeviceRegister(self.registry.database, PROFILES, made, clock)
        self.before: list[tuple[str, object]] = []

    def state(self) -> tuple[str, object]:
        inventory = self.registry.inventory()
        return csv_text(self.register, with_keys=True), (
            inventory.things, inventory.datastreams, inventory.devices,
        )  # fmt: skip

    def take_in(self, table: list[str]) -> None:
        before, version = self.state(), self.registry.version()
        path = self.folder / "t.csv"
        path.write_text("\n".join([HEADINGS, *table]), encoding="utf-8")
        tried = self.register.take_in(path, skip_bad=True, dry_run=True)
        assert (self.state(), self.registry.version()) == (before, version)
        done = self.register.take_in(path, skip_bad=True)
        assert (done.rows, done.findings, done.added) == (tried.rows, tried.findings, tried.added)
        if done.number is None:
            assert (self.state(), self.registry.version()) == (before, version)
        else:
            assert self.registry.version() > version
            self.before.append(before)

    def check(self) -> None:
        inventory = self.registry.inventory()
        fed = [channel.datastream for one in inventory.devices.values() for channel in one.channels]
        assert len(fed) == len(set(fed))
        for device in inventory.devices.values():
            assert device.thing in inventory.things
            assert {inventory.datastreams[one.datastream].thing for one in device.channels} == {device.thing}
        path = self.folder / "export.csv"
        path.write_text(csv_text(self.register, with_keys=True), encoding="utf-8")
        again = self.register.take_in(path)
        assert (again.number, again.findings, again.unchanged) == (None, (), len(inventory.devices))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(rows(), min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_history_holds_together_and_leads_back(tables):
    from datetime import UTC, datetime

    with tempfile.TemporaryDirectory() as folder:
        history = History(folder, lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
        try:
            for table in tables:
                history.take_in(table)
                history.check()
            while history.before:
                history.register.undo()
                assert history.state() == history.before.pop()
        finally:
            history.registry.close()
