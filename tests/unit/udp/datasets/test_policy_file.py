# ruff: noqa: E501 - tables of cases are read line by line
"""The policy: what it says is what leaves, and whoever breaks the file hears where."""

from dataclasses import replace
from datetime import timedelta

import pytest

from udp.datasets.model import Dataset, Funding, Outside, Policy, Retention, Selector, Series
from udp.datasets.reading import SHIPPED, read_policy
from udp.datasets.source import PolicyFile
from udp.errors import ConfigurationError
from udp.policy import OPERATOR, PUBLIC, Caller, Gate, Role, effective, rounded
from udp.registry.port import Channel, Device, Inventory
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit

ZERO = "dl-de/zero-2-0"


def thing(key="ding", *, kind="bin", theme="wetter", **properties):
    place = Location(51.5501, 7.3112, "castrop", "Castrop", 91.0)
    return Thing(key, "Haus von Frau S.", kind, theme, place, False, "Hinterhof links", properties)


def stream(number=1, at="ding", *, measures="fill_level", access=Access.OPEN, licence=ZERO):
    return Datastream(
        number, measures, "n", at, "s", ObservedProperty(measures, "P", ""), Unit("1", ""), access,
        None if access is Access.OPEN else "personal", licence, 60.0,
    )  # fmt: skip


def dataset(key="alles", *, access=Access.OPEN, **more):
    values = {
        "title": key, "description": key, "select": (Selector(theme=("*",)),), "owner": "Stadt",
        "purpose": "x", "legal_basis": "y", "access": access,
        "exemption": None if access is Access.OPEN else "state", "licence": ZERO if access is Access.OPEN else "",
    } | more  # fmt: skip
    return Dataset(key=key, **values)


def inventory(*pairs, citizen=False):
    devices = {}
    if citizen:
        device = Device(
            b"x", "ding", "p", "c", tuple(Channel(s.id, "f") for _, s in pairs), 60.0, citizen=True
        )
        devices = {b"x": device}
    return Inventory(1, {t.key: t for t, _ in pairs}, {s.id: s for _, s in pairs}, devices, {})


def known(policy, caller, *pairs, **more):
    return Gate(policy).admit(inventory(*pairs, **more), caller)


def test_the_shipped_policy_can_be_meant_and_covers_every_theme():
    policy = read_policy()
    assert len(policy.datasets) > 10
    assert all(one.owner and one.purpose and one.legal_basis for one in policy.datasets)
    for theme in ("wetter", "luft", "regen-und-baeche", "teiche", "schulen", "netz", "papier-und-abfall"):
        assert policy.rule(Series(stream(), thing(theme=theme), False)), theme


@pytest.mark.parametrize(
    ("kind", "theme", "measures"),
    [("meter", "energie", "energy"), ("school_room", "schulen", "co2"), ("gateway", "netz", "backlog_age"),
     ("sewer_pump", "regen-und-baeche", "water_level"), ("waste_bin", "papier-und-abfall", "battery_level")],
)  # fmt: skip
def test_what_the_shipped_policy_closes_is_closed_even_if_a_city_file_opens_it(kind, theme, measures):
    pair = thing(kind=kind, theme=theme), stream(measures=measures)
    assert not known(read_policy(), PUBLIC, pair).datastreams
    assert known(read_policy(), OPERATOR, pair).datastreams[1].access is not Access.OPEN


def test_without_an_entry_nothing_is_published_whatever_the_city_file_says():
    pair = thing(), stream()
    for caller in (PUBLIC, Caller(Role.CREW), Caller(Role.METRICS), Caller(Role.APP)):
        assert known(Policy(()), caller, pair).datastreams == {}
        assert known(Policy(()), caller, pair).things == {}
    shown = known(Policy(()), OPERATOR, pair).datastreams[1]
    assert (shown.access, shown.exemption, shown.licence) == (Access.INTERNAL, "undecided", "")


@pytest.mark.parametrize("city", list(Access))
@pytest.mark.parametrize("policy", list(Access))
def test_open_is_what_both_open(city, policy):
    pair = thing(), stream(access=city, licence=ZERO if city is Access.OPEN else "")
    found = known(Policy((dataset(access=policy),)), PUBLIC, pair).datastreams
    assert bool(found) is (city is policy is Access.OPEN)
    told = effective(
        Series(pair[1], pair[0], False),
        Policy((dataset(access=policy),)).rule(Series(pair[1], pair[0], False)),
    )
    order = list(Access)
    assert order.index(told.access) == max(order.index(city), order.index(policy))
    assert bool(told.licence) is (told.access is Access.OPEN)
    assert (told.exemption is None) is (told.access is Access.OPEN)


def test_of_two_datasets_the_stricter_word_counts_on_each_question():
    day, hour = timedelta(days=1), timedelta(hours=1)
    one = dataset("a", outside=Outside(hour, True, 500.0, 1), retention=Retention(day * 9, day * 9, None),
                  visible_to=frozenset({Role.CREW, Role.APP}), licence="dl-de/zero-2-0")  # fmt: skip
    other = dataset("b", outside=Outside(day, False, 100.0, 7), retention=Retention(None, day * 3, day * 20),
                    visible_to=frozenset({Role.CREW}), licence="dl-de/by-2-0")  # fmt: skip
    for both in ((one, other), (other, one)):
        rule = Policy(both).rule(Series(stream(), thing(), False))
        assert rule.outside == Outside(day, False, 500.0, 7)
        assert rule.retention == Retention(day * 9, day * 3, day * 20)
        assert (rule.visible_to, rule.licence) == (frozenset({Role.CREW}), "dl-de/by-2-0")
    closed = Policy((one, dataset("c", access=Access.RESTRICTED)))
    assert closed.rule(Series(stream(), thing(), False)).access is Access.RESTRICTED
    assert not known(closed, PUBLIC, (thing(), stream())).datastreams


def test_a_role_of_the_dataset_sees_it_as_measured_and_others_do_not():
    policy = Policy((dataset(access=Access.INTERNAL, visible_to=frozenset({Role.CREW}),
                             outside=Outside(timedelta(hours=1), False, 100.0)),))  # fmt: skip
    pair = thing(), stream(access=Access.INTERNAL, licence="")
    assert not known(policy, Caller(Role.CLIMATE), pair).datastreams
    seen = known(policy, Caller(Role.CREW), pair)
    assert list(seen.datastreams) == [1]
    assert seen.limits == {}
    assert seen.things["ding"] == pair[0]
    both = Caller(Role.CLIMATE, also=frozenset({Role.CREW}))
    assert known(policy, both, pair).datastreams == seen.datastreams
    closed_further = thing(), stream(access=Access.RESTRICTED, licence="")
    assert not known(policy, Caller(Role.CREW), closed_further).datastreams


def test_a_key_for_some_datasets_opens_only_those():
    policy = Policy((
        dataset("a", select=(Selector(theme=("wetter",)),), access=Access.INTERNAL, visible_to=frozenset({Role.APP})),
        dataset("b", select=(Selector(theme=("luft",)),), access=Access.INTERNAL, visible_to=frozenset({Role.APP})),
        dataset("c", select=(Selector(theme=("teiche",)),)),
    ))  # fmt: skip
    pairs = [
        (
            thing(str(n), theme=theme),
            stream(n, str(n), access=access, licence=ZERO if access is Access.OPEN else ""),
        )
        for n, (theme, access) in enumerate(
            [("wetter", Access.INTERNAL), ("luft", Access.INTERNAL), ("teiche", Access.OPEN)]
        )
    ]
    assert set(known(policy, Caller(Role.APP), *pairs).datastreams) == {0, 1, 2}
    assert set(known(policy, Caller(Role.APP, frozenset({"a"})), *pairs).datastreams) == {0, 2}
    assert set(known(policy, Caller(Role.OPERATOR, frozenset({"b"})), *pairs).datastreams) == {1, 2}
    assert set(known(policy, Caller(Role.APP, frozenset()), *pairs).datastreams) == {2}


@pytest.mark.parametrize(("users", "seen"), [(None, False), (9, False), (10, True), (400.0, True)])
def test_small_objects_stay_closed_to_the_public(users, seen):
    policy = Policy((dataset(outside=Outside(timedelta(days=1), False, 0.0, 10)),))
    pair = thing(**({} if users is None else {"users": users})), stream()
    assert bool(known(policy, PUBLIC, pair).datastreams) is seen
    assert known(policy, OPERATOR, pair).datastreams


def test_the_place_of_a_citizens_sensor_is_rounded_and_its_surroundings_stay_inside():
    pair = thing(theme="luft", adresse="Feldweg 3"), stream(measures="pm10")
    seen = known(read_policy(), PUBLIC, pair, citizen=True).things["ding"]
    exact = pair[0].location
    assert seen.location.latitude != exact.latitude
    assert abs(seen.location.latitude - exact.latitude) * 111_320 <= 50.1
    assert abs(seen.location.longitude - exact.longitude) * 111_320 * 0.62 <= 51
    assert (seen.description, seen.location.elevation_m) == ("", None)
    assert "adresse" not in seen.properties
    for caller in (OPERATOR,):
        assert known(read_policy(), caller, pair, citizen=True).things["ding"] == pair[0]
    assert known(read_policy(), PUBLIC, pair).things["ding"] == pair[0]


def test_all_places_of_one_cell_become_one():
    places = [
        replace(thing().location, latitude=51.55 + n / 1e5, longitude=7.31 + n / 1e5) for n in range(200)
    ]
    cells = {rounded(replace(thing(), location=one), 1000.0).location for one in places}
    assert 1 <= len(cells) <= 4


GOOD = """format = 1
[journal]
keep = "1y"
[[dataset]]
key = "a"
title = "A"
description = "A"
select = [{ theme = "wetter" }]
owner = "o"
purpose = "p"
legal_basis = "l"
access = "open"
licence = "dl-de/zero-2-0"
retention = { raw = "1y", values = "2y", aggregates = "unlimited" }
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format = 1\n", "format = 2\n", "'format'"),
        ('licence = "dl-de/zero-2-0"\n', "", "'licence'"),
        ('access = "open"', 'access = "internal"', "'exemption'"),
        ('access = "open"', 'access = "offen"', "open, internal, restricted"),
        ('purpose = "p"\n', "", "'purpose'"),
        ('{ theme = "wetter" }', "{ }", "would mean everything"),
        ('[{ theme = "wetter" }]', "[]", "'select'"),
        ('owner = "o"', 'owner = "o"\nowner_2 = "x"', "'owner_2'"),
        ('raw = "1y"', 'raw = "3y"', "bring back what was deleted"),
        ('aggregates = "unlimited"', 'aggregates = "1d"', "'aggregates'"),
        ('"2y"', '"two years"', '"2y"'),
        ('owner = "o"', 'owner = "o"\nvisible_to = ["public"]', "'public' is no role"),
        ('owner = "o"', 'owner = "o"\noutside = { current = "step" }', "time_step"),
        ('owner = "o"', 'owner = "o"\noutside = { time_step = "7h" }', "whole into a day"),
        ('owner = "o"', 'owner = "o"\noutside = { place_m = -5 }', "place_m"),
        ('owner = "o"', 'owner = "o"\noutside = { place_m = inf }', "place_m"),
        ('owner = "o"', 'owner = "o"\nfunding = { link = "https://land.example" }', "'text'"),
        ('owner = "o"', 'owner = "o"\nfunding = { text = "Land", link = "http://land.example" }', "https://"),
        ('owner = "o"', 'owner = "o"\nfunding = { text = "Land", link = "javascript:alert(1)" }', "'link'"),
        (
            'owner = "o"',
            'owner = "o"\nfunding = { text = "Land", logo = "https://land.example/l.svg" }',
            "'logo'",
        ),
        ('owner = "o"', 'owner = "o"\nfunding = { text = "Land", logo = "//land.example/l.svg" }', "'logo'"),
        ('owner = "o"', 'owner = "o"\nfunding = { text = "Land", logo = "/../l.svg" }', "'logo'"),
        ('owner = "o"', 'owner = "o"\nfunding = { text = "Land", geber = "x" }', "'geber'"),
    ],
)
def test_a_mistake_is_told_with_place_and_remedy(tmp_path, old, new, told):
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    assert read_policy(path).by_key["a"].retention.values == timedelta(days=730)
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        read_policy(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_dataset_says_who_paid_for_it(tmp_path):
    path = tmp_path / "policy.toml"
    told = '{ text = "Gefördert vom Land", link = "https://land.example/f", logo = "/foerderung/land.svg" }'
    path.write_text(GOOD.replace('owner = "o"', f'owner = "o"\nfunding = {told}'), encoding="utf-8")
    (found,) = read_policy(path).datasets
    assert found.funding == Funding("Gefördert vom Land", "https://land.example/f", "/foerderung/land.svg")
    path.write_text(GOOD, encoding="utf-8")
    assert read_policy(path).datasets[0].funding is None


def test_the_running_platform_follows_good_files_and_no_broken_ones(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    source = PolicyFile(path)
    first = source.current()
    assert source.current() is first
    path.write_text(GOOD.replace("title = ", "titel = "))
    assert source.current() is first
    path.unlink()
    assert source.current() is first
    path.write_text(GOOD.replace('"A"', '"Besser"'))
    assert source.current().by_key["a"].title == "Besser"
    path.write_text("format = 9")
    with pytest.raises(ConfigurationError):
        PolicyFile(path)


def test_the_shipped_file_explains_every_key_it_uses():
    text = SHIPPED.read_text(encoding="utf-8")
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for word in ("key", "title", "select", "owner", "purpose", "legal_basis", "access", "exemption", "licence",
                 "visible_to", "time_step", "current", "place_m", "minimum_users", "funding", "logo", "raw", "values", "aggregates",
                 "copyright", "personal", "state", "data_protection"):  # fmt: skip
        assert word in comments, word
