"""Laws of the boards themselves, whatever they show."""

import json
from itertools import combinations

import pytest

from dashboards.grafana.boards import all_boards
from dashboards.grafana.model import ALL, WIDTH, Type
from dashboards.grafana.quantities import THEMES
from dashboards.grafana.source import PLUGIN, SOURCE, Column, Question
from udp.registry.profiles import HERE
from udp.registry.toml_tables import open_toml

BOARDS = all_boards()
BY_NAME = pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.key)


def test_addresses_and_titles_are_each_boards_own():
    assert len({one.uid for one in BOARDS}) == len({one.title for one in BOARDS}) == len(BOARDS)
    assert all(one.uid.startswith("udp-") and len(one.uid) <= 40 for one in BOARDS), (
        "Grafana takes 40 characters"
    )


def test_each_theme_has_an_overview_and_a_detail():
    keys = {one.key for one in BOARDS}
    assert {f"{one.key}-{kind}" for one in THEMES for kind in ("uebersicht", "detail")} < keys
    assert {"datenqualitaet-uebersicht", "datenqualitaet-detail"} < keys


@BY_NAME
def test_a_day_is_shown_at_first_and_districts_and_devices_can_be_chosen(board):
    content = board.as_json()
    assert content["time"] == {"from": "now-24h", "to": "now"}
    names = [one["name"] for one in content["templating"]["list"]]
    assert names[0] == "ortsteil"
    assert ("geraet" in names) == board.key.endswith("-detail")
    assert all(one["allValue"] == ALL for one in content["templating"]["list"] if one["includeAll"])


@BY_NAME
def test_panels_stand_side_by_side_and_never_on_each_other(board):
    panels = board.as_json()["panels"]
    assert [one["id"] for one in panels] == list(range(1, len(panels) + 1))
    for one in panels:
        assert one["gridPos"]["x"] + one["gridPos"]["w"] <= WIDTH
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart


@BY_NAME
def test_every_question_goes_to_the_platform_and_is_bounded(board):
    for panel in (one for one in board.as_json()["panels"] if one["type"] != Type.TEXT):
        assert panel["datasource"] == {"type": PLUGIN, "uid": SOURCE}
        assert panel["maxDataPoints"] <= 2000
        (target,) = panel["targets"]
        asked = {one["key"]: one["value"] for one in target["url_options"]["params"]}
        if target["url"] == "/api/v1/history":
            assert int(asked["points"]) == panel["maxDataPoints"]
            assert {"from", "to"} <= asked.keys(), "or the picture would not follow the time chosen"
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"].get("spanNulls") is not True, "gaps stay gaps"


@BY_NAME
def test_quality_is_shown_on_every_board(board):
    columns = {column["text"] for one in board.as_json()["panels"] for target in one.get("targets", ())
               for column in target["columns"]}  # fmt: skip
    assert {"Qualität", "Prüfregel", "Stand", "Herkunft"} <= columns


def test_units_are_those_in_which_the_register_keeps_each_property():
    known = open_toml(HERE / "observed_properties.toml")
    for theme in THEMES:
        for one in theme.quantities:
            assert known[one.observed_property]["unit"] == one.unit, one.title


def test_limits_ascend_and_say_whose_they_are():
    for theme in THEMES:
        for one in theme.quantities:
            values = [limit.value for limit in one.limits]
            assert values[:1] in ([], [None]) and values[1:] == sorted(values[1:])
            assert not one.limits or one.hint or one.observed_property == "oxygen_saturation", one.title


def test_no_secret_and_no_foreign_address_stands_in_a_board():
    text = json.dumps([one.as_json() for one in BOARDS])
    assert "://" not in text and "udp_" not in text and "Api-Key" not in text


def test_a_question_elsewhere_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="key would not be sent"):
        Question("/v1.1/Things", "value", (Column("name", "Name"),))
