"""The life of a project: applied for, decided, given keys, withdrawn without a trace."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from edge.wire.identifiers import DevEUI
from udp.citizens.application import ApplicationRefused
from udp.citizens.project import State, digest, is_slug, origin_of, project_of
from udp.citizens.projects import NotPossible, TooManyWaiting
from udp.errors import ConfigurationError, NotFound
from udp.sensorthings import Access

from .conftest import MAIL, NAME, Town

EUI = DevEUI.parse("70B3D57ED0000001")
TTN_KEY = "NNSXS.ABCDEFGHIJKLMNOPQRSTUVWXYZ.SECRET"


def test_an_application_changes_nothing_anybody_can_see(town: Town) -> None:
    before = town.registry.version()
    project, link = town.apply()
    assert (project.state, project.has_webhook_key, is_slug(project.slug)) == (State.APPLIED, False, True)
    assert town.registry.version() == before
    assert town.projects.by_link(link) == project
    assert EUI not in town.registry.inventory().devices


def test_approval_makes_things_that_say_what_they_are(town: Town) -> None:
    project, _ = town.approved()
    inventory = town.registry.inventory()
    device = inventory.devices[EUI]
    thing = inventory.things[device.thing]
    streams = [one for one in inventory.datastreams.values() if one.thing == thing.key]
    assert device.citizen
    assert device.codec == "decoded_payload"
    assert {one.field for one in device.channels} == {"temperatur", "luft.feuchte"}
    assert {one.datastream for one in device.channels} == {one.id for one in streams}
    assert (thing.kind, thing.properties["project"]) == ("citizen_sensor", project.slug)
    assert "ungeprüft" in thing.description
    assert {(one.access, one.licence) for one in streams} == {(Access.OPEN, "dl-de/zero-2-0")}
    told = repr(inventory)
    assert NAME not in told
    assert MAIL not in told


def test_a_shipped_profile_brings_its_codec_and_keeps_technical_channels_closed(town: Town) -> None:
    town.approved(kind="elsys-ers-co2")
    inventory = town.registry.inventory()
    device = inventory.devices[EUI]
    access = {one.observed_property.key: one.access for one in inventory.datastreams.values()}
    assert device.codec == "elsys-ers-co2"
    assert access["air_temperature"] is Access.OPEN
    assert "co2" not in access
    assert all(one is not Access.OPEN for key, one in access.items() if key.startswith("battery"))


def test_nobody_registers_a_device_twice_nor_one_of_the_city(town: Town) -> None:
    town.apply()
    with pytest.raises(ApplicationRefused, match="schon angemeldet"):
        town.apply(title="Ein anderer Balkon")


def test_a_decision_is_taken_once_and_a_refusal_says_why(town: Town) -> None:
    project, link = town.apply()
    with pytest.raises(NotPossible, match="Grund"):
        town.projects.refuse(project.slug, "  ")
    town.projects.refuse(project.slug, "Die DevEUI gehört der Stadt.")
    assert town.projects.by_link(link).note == "Die DevEUI gehört der Stadt."
    for decide in (
        lambda: town.projects.approve(project.slug, town.offer),
        lambda: town.projects.new_webhook_key(project.slug),
    ):
        with pytest.raises(NotPossible):
            decide()
    with pytest.raises(NotFound):
        town.projects.approve("b-22222222", town.offer)


def test_links_and_keys_are_not_in_the_database(town: Town, tmp_path: Path) -> None:
    project, link = town.approved()
    first, second = (town.projects.new_webhook_key(project.slug) for _ in range(2))
    town.projects.listen(project.slug, "mein-balkon", TTN_KEY)
    (door,) = town.projects.doors()
    assert door.webhook == digest(second) != digest(first)
    assert door.application == "mein-balkon@ttn"
    assert door.sealed is not None
    assert town.vault.open_text(project.slug, door.sealed) == TTN_KEY
    with pytest.raises(ConfigurationError):
        town.vault.open_text("b-22222222", door.sealed)
    octets = b"".join(path.read_bytes() for path in tmp_path.glob("registry.sqlite*"))
    assert not [one for one in (link, first, second, TTN_KEY) if one.encode() in octets]
    town.projects.stop_listening(project.slug)
    assert town.projects.doors()[0].sealed is None


@pytest.mark.parametrize(("application", "key"), [("Groß", TTN_KEY), ("ok-app", "geraten"), ("a/b", TTN_KEY)])
def test_what_is_no_key_of_the_things_network_is_refused(town: Town, application: str, key: str) -> None:
    project, _ = town.approved()
    with pytest.raises(ApplicationRefused):
        town.projects.listen(project.slug, application, key)


def test_withdrawal_leaves_nothing_to_see_and_an_order_to_delete(town: Town, tmp_path: Path) -> None:
    project, link = town.approved()
    streams = set(town.registry.inventory().datastreams)
    before = town.registry.version()
    town.projects.withdraw(project.slug)
    inventory = town.registry.inventory()
    assert inventory.version > before
    assert (EUI in inventory.devices, streams & set(inventory.datastreams)) == (False, set())
    with pytest.raises(NotFound):
        town.projects.by_link(link)
    assert town.projects.doors() == []
    (order,) = town.projects.erasures()
    assert (set(order.datastreams), order.dev_euis) == (streams, (EUI,))
    town.projects.erased(order)
    assert town.projects.erasures() == []
    with sqlite3.connect(tmp_path / "registry.sqlite") as connection:
        whole = "\n".join(connection.iterdump())
    for trace in (NAME, MAIL, project.title, "70b3d57ed0000001", "70B3D57ED0000001", "51.58"):
        assert trace not in whole.replace("51.58,7.35", ""), trace


def test_a_device_can_come_back_after_a_withdrawal_under_new_datastreams(town: Town) -> None:
    first, _ = town.approved()
    old = set(town.registry.inventory().datastreams)
    town.projects.withdraw(first.slug)
    (order,) = town.projects.erasures()
    town.projects.erased(order)
    town.approved()
    assert not old & set(town.registry.inventory().datastreams)


def test_too_many_waiting_stop_the_next_and_old_ones_are_forgotten(town: Town) -> None:
    for number in range(3):
        town.apply(devices=[f"70B3D57ED000001{number}"])
    with pytest.raises(TooManyWaiting):
        town.apply()
    assert town.projects.tidy() == 0
    town.clock.move(timedelta(days=91))
    assert town.projects.tidy() == 3
    assert town.projects.all() == []


def test_only_exact_addresses_of_doors_name_a_project(town: Town) -> None:
    project, _ = town.apply()
    assert project_of(origin_of(project.slug)) == project.slug
    for other in ("/things-stack/stadt", f"/things-stack/{project.slug}/x", f"/chirpstack?{project.slug}"):
        assert project_of(other) is None
