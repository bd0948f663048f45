"""Every question of every board, asked for real: rows come, with the columns and units the picture names."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from grafana_town import CLOSED, NOW, SECRET
from infinity_reader import Infinity, Refused

from dashboards.grafana.boards import all_boards
from dashboards.grafana.model import Board, Panel, Type
from udp.policy import Role
from udp.units import written_unit

BOARDS = all_boards()
BY_NAME = pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.key)
DAY = timedelta(days=1)


def asked(board: Board) -> Iterator[Panel]:
    return (one for one in board.panels if one.question is not None)


def choices(board: Board, reader: Infinity, pick: int = 0) -> dict[str, str]:
    """As Grafana fills them: `*` for all where there is one, else the option at `pick`, one after another."""
    chosen: dict[str, str] = {}
    for variable in board.as_json()["templating"]["list"]:
        options = reader.ask(variable["query"]["infinityQuery"], chosen).rows
        assert options, variable["name"]
        assert all(one["__text"] and one["__value"] for one in options)
        some = options[pick % len(options)]["__value"]
        chosen[variable["name"]] = variable.get("allValue", some) if pick == 0 else some
    return chosen


@pytest.fixture(scope="module")
def reader(town) -> Infinity:
    return Infinity(town.source(town.key(Role.CLIMATE)), NOW - DAY, NOW)


@BY_NAME
def test_every_picture_has_rows_with_the_columns_it_names(board, reader):
    chosen = choices(board, reader)
    for panel in asked(board):
        table = reader.ask(panel.question.as_json(), chosen)
        assert table.rows, f"{board.title}: {panel.title} shows nothing"
        for column in panel.question.columns:
            told = [one[column.title] for one in table.rows]
            assert any(one is not None for one in told), f"{panel.title}: {column.title} is always empty"
        if panel.question.series:
            times = [one[panel.question.columns[0].title] for one in table.rows]
            assert times == sorted(times), f"{panel.title}: the plugin makes lines of ascending rows only"
    for mark in board.as_json()["annotations"]["list"]:
        found = reader.ask(mark["target"], chosen).rows
        assert {"time", "timeEnd", "title", "text"} <= found[0].keys()


@BY_NAME
def test_units_are_those_of_the_register(board, reader):
    chosen = choices(board, reader)
    for panel in asked(board):
        if panel.question.path not in ("/api/v1/history", "/api/v1/latest") or panel.type is Type.TABLE:
            continue
        units = {one["unit"] for one in reader.ask(panel.question.as_json(), chosen).raw}
        assert {written_unit(one) for one in units} == {panel.style.unit}, (panel.title, units)


@BY_NAME
def test_a_line_bridges_jitter_and_no_silence(board, reader, town):
    chosen, streams = choices(board, reader), town.registry.inventory().datastreams.values()
    for panel in asked(board):
        if (bridge := panel.style.custom.get("spanNulls")) is None:
            continue
        asks = dict(panel.question.parameters)
        slowest = max(
            one.expected_interval_s
            for one in streams
            if one.observed_property.key == asks["observed_property"]
            and one.thing not in CLOSED and town.registry.inventory().things[one.thing].theme == asks["theme"]
        )  # fmt: skip
        assert 2 * slowest <= bridge / 1000, f"{panel.title}: honest lines would be broken"
        assert bridge / 1000 <= 3 * max(slowest, 1800), f"{panel.title}: silence would be drawn over"
        assert reader.ask(panel.question.as_json(), chosen).rows


@BY_NAME
def test_one_district_and_one_device_are_shown_alone(board, reader, town):
    things = town.registry.inventory().things
    for pick in (1, 3):
        chosen = choices(board, reader, pick)
        for panel in asked(board):
            asks = dict(panel.question.parameters)
            for row in reader.ask(panel.question.as_json(), chosen).raw:
                if "${ortsteil}" in asks.values() and row.get("thing"):
                    assert things[row["thing"]].location.district == chosen["ortsteil"]
                if "${geraet}" in asks.values() and "thing" in row:
                    assert row["thing"] == chosen["geraet"]


@pytest.mark.parametrize("days", [1, 31, 800])
def test_no_window_brings_more_points_than_the_panel_takes(reader, days):
    wide = Infinity(reader.source, NOW - days * DAY, NOW)
    for board in BOARDS:
        chosen = choices(board, reader)
        for panel in asked(board):
            if panel.question.path != "/api/v1/history":
                continue
            table = wide.ask(panel.question.as_json(), chosen)
            times = {one[panel.question.columns[0].title] for one in table.rows}
            assert len(times) <= panel.points + 1, (panel.title, len(times))
            # Of a counter, one day in 800 shows no step from one week to the next.
            assert times or (days == 800 and ("value", "rise") in panel.question.parameters), panel.title


def everything(reader: Infinity) -> str:
    """All that boards, variables and marks would show, for all choices open."""
    told = []
    for board in BOARDS:
        content = board.as_json()
        chosen = {one["name"]: one.get("allValue", "1") for one in content["templating"]["list"]}
        queries = [one["query"]["infinityQuery"] for one in content["templating"]["list"]]
        queries += [one["target"] for one in content["annotations"]["list"]]
        queries += [target for one in content["panels"] for target in one.get("targets", [])]
        for query in queries:
            try:
                told.append(json.dumps(reader.ask(query, chosen).raw, ensure_ascii=False))
            except Refused as refusal:
                assert " 404 " in str(refusal), refusal
    return "\n".join(told)


def telling(text: str, key: str) -> list[str]:
    return [word for word in (f"Geheim {key}", f'"{key}"', f"({key})", str(SECRET)) if word in text]


def test_what_is_opened_to_others_only_appears_in_no_picture_or_choice(town):
    reader = Infinity(town.source(town.key(Role.CLIMATE)), NOW - DAY, NOW)
    town.decide()
    try:
        seen = everything(reader)
        crew = everything(Infinity(town.source(town.key(Role.CREW)), NOW - DAY, NOW))
        nobody = everything(Infinity(town.source(""), NOW - DAY, NOW))
        operator = everything(Infinity(town.source(town.key(Role.OPERATOR)), NOW - DAY, NOW))
    finally:
        town.decide("schulluft", "zaehler", "netz")
    for key in CLOSED:
        assert not telling(seen, key), f"the climate team sees {key}"
        assert not telling(nobody, key), f"everybody sees {key}"
        assert len(telling(operator, key)) >= 2, f"{key} is seen by nobody: this proves nothing"
    assert telling(crew, "geheim-pumpwerk"), "crews may see it: opened for another role, not for this one"
    assert "Gateway" not in seen and "co2" not in seen, "the shipped policy keeps network and schools closed"
    assert "Lufttemperatur" in seen and "Lufttemperatur" in nobody


def test_what_its_own_thing_closes_no_decision_opens(reader):
    seen = everything(reader)
    assert telling(seen, "geheim-sonde") == [str(SECRET)], (
        "restricted by the city file, whatever the policy says"
    )
    assert "Geheim geheim-klasse" in telling(seen, "geheim-klasse"), (
        "opened by decision: now the team sees it"
    )


def test_a_wrong_key_shows_nothing_at_all(town):
    with pytest.raises(Refused, match="401"):
        Infinity(town.source("udp_wrongwrong_" + "x" * 43), NOW - DAY, NOW).ask(
            next(asked(BOARDS[0])).question.as_json(), {"ortsteil": "*"}
        )


def test_the_key_goes_nowhere_but_to_the_platform(town, reader):
    query = next(asked(BOARDS[0])).question.as_json()
    for elsewhere in (
        ".example.org/api/v1/latest",
        "@example.org/api/v1/",
        "/v1.1/Things",
        "/buerger/anmelden",
    ):
        with pytest.raises(Refused, match="allowed hosts"):
            reader.ask({**query, "url": elsewhere}, {"ortsteil": "*"})
