"""What the policy lets grow old goes on time, its daily figures stay, and the record tells the truth."""

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.__main__ import main
from udp.datasets.reading import read_policy
from udp.errors import StoreUnavailable
from udp.forecasting.port import CITY, ForecastKey, Kind
from udp.forecasting.sql import SqlForecasts
from udp.policy import Gate
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.retention.ageing import Ageing
from udp.retention.proof import Proofs
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
POLICY = """format = 1
[journal]
keep = "10d"
[[dataset]]
key = "kurz"
title = "k"
description = "d"
select = [{ theme = "luft" }]
owner = "o"
purpose = "p"
legal_basis = "l"
access = "open"
licence = "dl-de/zero-2-0"
retention = { raw = "10d", values = "10d", aggregates = "unlimited" }
[[dataset]]
key = "lang"
title = "l"
description = "d"
select = [{ theme = "wetter" }]
owner = "o"
purpose = "p"
legal_basis = "l"
access = "open"
licence = "dl-de/zero-2-0"
retention = { raw = "10d", values = "unlimited", aggregates = "unlimited" }
"""


def city(*themes):
    things = tuple(
        Thing(theme, theme, "pole", theme, Location(51.5, 7.3, "c", "C"), simulated=True) for theme in themes
    )
    streams = tuple(
        Datastream(n, "t", "T", theme, "s", ObservedProperty("t", "T", ""), Unit("1", ""), Access.OPEN, None,
                   "dl-de/zero-2-0", 3600.0)
        for n, theme in enumerate(themes)
    )  # fmt: skip
    return CityDescription("Stadt", True, things, streams, (), ())


@pytest.fixture
def parts(tmp_path):
    """Twenty days of hours in two series, one of which is kept ten days."""
    clock = [NOW]
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    registry.import_city(city("luft", "wetter"))
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: clock[0])
    ids = {one.thing: number for number, one in registry.inventory().datastreams.items()}
    begin = np.datetime64((NOW - timedelta(days=20)).replace(tzinfo=None, minute=0), "us")
    times = begin + (np.arange(20 * 24) * 3_600_000_000).astype("timedelta64[us]")
    for number in ids.values():
        store.append(Observations.build(number, times, np.arange(480) + number * 1000.0, quality=1, rule=1))
    while store.maintain(clock[0]):
        pass
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    gate = Gate(read_policy(path))
    ageing = Ageing(store, registry.ever, Proofs(registry.database), lambda: clock[0])
    yield registry, store, ids, gate, ageing, clock, path
    store.close()
    registry.close()


def everything(store, number):
    return store.read([number], Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)))


def test_old_values_go_the_rest_stays_and_the_record_can_be_checked(parts):
    registry, store, ids, gate, ageing, _, _ = parts
    before = everything(store, ids["luft"])
    limit = np.datetime64("2026-11-11", "us")
    old = before.take(before.phenomenon_time < limit)
    daily = store.aggregate(
        [ids["luft"]], Period(NOW - timedelta(days=21), NOW), timedelta(days=1), [Function.MEAN]
    )
    (proof,) = ageing.run(gate)
    assert everything(store, ids["luft"]).phenomenon_time.min() == limit
    assert len(everything(store, ids["luft"])) == 480 - len(old)
    assert len(everything(store, ids["wetter"])) == 480
    digest = hashlib.sha256()
    for name in (
        "datastream",
        "phenomenon_time",
        "result_time",
        "lead",
        "result",
        "quality",
        "rule",
        "revision",
    ):
        digest.update(getattr(old, name).tobytes())
    assert proof.checksum == digest.hexdigest()
    assert (proof.dataset, proof.what, proof.count, proof.deleted) == ("kurz", "values", len(old), len(old))
    assert (proof.first[:13], proof.last) == ("2026-11-01T13", "2026-11-10T23:00:00Z")
    assert (proof.before, proof.left_over, proof.holds) == ("2026-11-11T00:00:00Z", 0, True)
    assert proof.summed_after == proof.summed_before == len(old)
    assert proof.policy == gate.policy.digest
    assert list(Proofs(registry.database).read()) == [proof]
    again = store.aggregate(
        [ids["luft"]], Period(NOW - timedelta(days=21), NOW), timedelta(days=1), [Function.MEAN]
    )
    assert np.array_equal(daily.values[Function.MEAN][:-1], again.values[Function.MEAN][:-1])


def test_once_a_day_is_enough_and_the_next_day_takes_one_more(parts):
    _, store, ids, gate, ageing, clock, _ = parts
    ageing.run(gate)
    assert ageing.due(gate) == []
    assert ageing.run(gate) == []
    clock[0] += timedelta(days=1)
    (proof,) = ageing.run(gate)
    assert proof.count == 24
    assert str(everything(store, ids["luft"]).phenomenon_time.min())[:10] == "2026-11-12"


def test_what_is_deleted_never_comes_back(parts):
    _, store, ids, gate, ageing, _, _ = parts
    late = everything(store, ids["luft"]).take(slice(0, 50))
    ageing.run(gate)
    store.append(late)
    assert str(everything(store, ids["luft"]).phenomenon_time.min())[:10] == "2026-11-11"


def test_values_of_retired_series_grow_old_too(parts):
    registry, store, ids, gate, ageing, _, _ = parts
    registry.import_city(city("wetter"))
    assert list(registry.inventory().datastreams) == [ids["wetter"]]
    (proof,) = ageing.run(gate)
    assert proof.series == 1
    assert str(everything(store, ids["luft"]).phenomenon_time.min())[:10] == "2026-11-11"


def test_a_store_that_cannot_delete_says_so(parts):
    registry, store, _, gate, _, clock, _ = parts

    class Unforgetting:
        read, latest, aggregate, append, close = (
            store.read, store.latest, store.aggregate, store.append, store.close,
        )  # fmt: skip

    with pytest.raises(StoreUnavailable, match="cannot delete"):
        Ageing(Unforgetting(), registry.ever, Proofs(registry.database), lambda: clock[0]).run(gate)


def test_the_record_cannot_be_rewritten(parts, tmp_path):
    _, _, _, gate, ageing, _, _ = parts
    ageing.run(gate)
    with sqlite3.connect(tmp_path / "registry.sqlite") as raw:
        for statement in ("UPDATE deletion_proof SET count = 0", "DELETE FROM deletion_proof"):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                raw.execute(statement)


def test_the_command_says_what_is_due_deletes_and_tells(parts, tmp_path, capsys, monkeypatch):
    _, _, _, _, _, _, path = parts
    config = tmp_path / "udp.toml"
    config.write_text(
        f'policy = "{path}"\n[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n'
        f'[store]\nkind = "embedded"\nembedded = {{ folder = "{tmp_path}/store" }}\n'
    )
    monkeypatch.setattr("udp.retention_commands.utc_now", lambda: NOW)
    assert main(["retention", "run", "--dry-run", "--config", str(config)]) == 0
    assert "kurz: 1 Messreihen, Werte vor 11.11.2026" in capsys.readouterr().out
    assert main(["retention", "log", "--config", str(config)]) == 0
    assert "Noch nichts gelöscht" in capsys.readouterr().out
    assert main(["retention", "run", "--config", str(config)]) == 0
    assert "1 Löschungen" in capsys.readouterr().out
    assert main(["retention", "log", "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "nachgeprüft: nichts mehr da, Tageswerte erhalten" in told
    assert "Werte vor 2026-11-11" in told


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.mark.parametrize("before", [True, False])
def test_a_deletion_that_is_killed_is_completed_and_proven_by_the_next_run(parts, before, monkeypatch):
    registry, store, _, gate, ageing, _, _ = parts
    proofs = Proofs(registry.database)
    prune = store.prune

    def killed(series, limit):
        if not before:
            prune(series, limit)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "prune", killed)
        with pytest.raises(Killed):
            ageing.run(gate)
    assert len(proofs.begun("values")) == 1
    (proof,) = ageing.run(gate)
    assert (proof.count, proof.deleted, proof.left_over, proof.holds) == (227, 227, 0, True)
    assert proof.summed_after == proof.summed_before == 227
    assert not proofs.begun()
    assert ageing.run(gate) == []


@pytest.fixture
def expected(parts, tmp_path):
    """Hourly for twenty days: what a weather service said of the next hours, and a model of both series."""
    registry, store, ids, _, _, clock, _ = parts
    forecasts = SqlForecasts(f"sqlite:///{tmp_path}/forecasts.sqlite")
    keys = {
        "rain": ForecastKey(CITY, Kind.RAIN, 0.0),
        "over": ForecastKey(CITY, Kind.RAIN_OVER, 5.0),
        "nowcast": ForecastKey(ids["wetter"], Kind.NOWCAST, 0.0),
        "short": ForecastKey(ids["luft"], Kind.QUANTILE, 0.5),
        "long": ForecastKey(ids["wetter"], Kind.QUANTILE, 0.5),
    }
    given = forecasts.number(list(keys.values()))
    numbers = {name: given[key] for name, key in keys.items()}
    begin = np.datetime64((NOW - timedelta(days=20)).replace(tzinfo=None, minute=0), "us")
    for number in numbers.values():
        for lead in (3600, 7200):
            issued = begin + (np.arange(20 * 24) * 3_600_000_000).astype("timedelta64[us]")
            store.append(
                Observations.build(number, issued + np.timedelta64(lead, "s"), np.arange(480) * 1.0,
                                   result_time=issued, lead=lead, quality=1, rule=1)
            )  # fmt: skip
    while store.maintain(clock[0]):
        pass
    ageing = Ageing(
        store, registry.ever, Proofs(registry.database), lambda: clock[0], lambda: forecasts.told().streams
    )
    yield ageing, numbers
    forecasts.close()


def test_old_weather_forecasts_go_and_models_forecasts_end_with_their_series(parts, expected):
    registry, store, _, _, _, clock, path = parts
    ageing, numbers = expected
    path.write_text(POLICY + '[weather_forecasts]\nkeep = "5d"\n', encoding="utf-8")
    done = ageing.run(Gate(read_policy(path)))
    limits = {"rain": 16, "over": 16, "nowcast": 16, "short": 11}
    for name, day in limits.items():
        left = everything(store, numbers[name])
        assert left.phenomenon_time.min() == np.datetime64(f"2026-11-{day}", "us")
        assert set(left.lead) == {3600, 7200}
    assert len(everything(store, numbers["long"])) == 960
    assert all(one.holds for one in done)
    assert [one.dataset for one in done] == ["kurz", "wettervorhersagen"]
    assert [one.dataset for one in Proofs(registry.database).read()][::-1] == ["kurz", "wettervorhersagen"]
    assert not ageing.run(Gate(read_policy(path)))
    clock[0] = NOW + timedelta(days=1)
    again = ageing.run(Gate(read_policy(path)))
    assert {one.dataset: one.series for one in again} == {"kurz": 2, "wettervorhersagen": 3}


def test_without_a_word_weather_forecasts_are_kept_for_a_season_and_for_ever_if_told(parts, expected):
    _, store, _, gate, _, clock, path = parts
    ageing, numbers = expected
    ageing.run(gate)
    assert len(everything(store, numbers["rain"])) == 960
    clock[0] = NOW + timedelta(days=85)
    path.write_text(POLICY + '[weather_forecasts]\nkeep = "unlimited"\n', encoding="utf-8")
    ageing.run(Gate(read_policy(path)))
    assert len(everything(store, numbers["rain"])) == 960
    ageing.run(gate)
    assert 0 < len(everything(store, numbers["rain"])) < 960
