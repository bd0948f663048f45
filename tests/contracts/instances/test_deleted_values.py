"""Values that retention has deleted stay deleted, and their hours and days move with the instance."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from udp.errors import ConfigurationError, StoreRejected
from udp.opendata.instance.exporting import export_instance
from udp.opendata.instance.importing import import_instance
from udp.opendata.instance.manifest import read_manifest
from udp.store.census import everything
from udp.store.columns import Function, Observations, Period
from udp.store.opening import StoreSettings, maintain
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

LIMIT = datetime(2026, 11, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def pruned(lived: Any) -> Any:
    while maintain(lived.store, NOW):
        pass
    numbers = [lived.number("mast-1", one) for one in ("co2", "pm10", "heat_index")]
    lived.store.prune(numbers, LIMIT)
    lived.numbers_pruned = numbers
    return lived


def hours(one: Any, names: tuple[str, ...], every: timedelta) -> list[tuple[float, ...]]:
    numbers = [one.number("mast-1", name) for name in names]
    order = {number: at for at, number in enumerate(numbers)}
    found = one.store.aggregate(numbers, everything(), every, list(Function))
    rows = zip(
        [order[number] for number in found.datastream.tolist()], found.bucket.astype(np.int64).tolist(),
        *(np.round(found.values[function], 7).tolist() for function in Function), strict=True,
    )  # fmt: skip
    return sorted(rows)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("influxdb", marks=pytest.mark.external_service)])
def test_hours_and_days_are_here_as_they_were_there(
    pruned: Any, make: Any, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = None
    if kind == "influxdb":
        influx = InfluxDBSettings(
            url=request.getfixturevalue("influxdb_1_url"), write_api="v1",
            measurement=f"observation_{uuid.uuid4().hex}",
        )  # fmt: skip
        settings = StoreSettings("influxdb", influxdb=influx)
    export_instance(pruned.source, tmp_path / "out")
    there = make("there", settings)
    done = import_instance(tmp_path / "out", there.target)
    assert not done.differ
    assert (len(done.hours), len(done.hours_left)) == (3, 0)
    names = ("co2", "pm10", "heat_index", "air_temperature")
    for every in (timedelta(hours=1), timedelta(days=1), timedelta(days=7)):
        assert hours(there, names, every) == hours(pruned, names, every)
    assert len(hours(there, ("co2",), timedelta(hours=1))) > 24 * 18
    assert dict(there.store.pruned()) == {there.number("mast-1", one): LIMIT for one in names[:3]}
    late = Observations.build(there.number("mast-1", "co2"), [np.datetime64("2026-11-05", "us")], [1.0])
    there.store.append(late)
    assert not len(there.store.read(late.datastream.tolist(), Period(everything().start, LIMIT)))
    there.derive()
    felt = there.number("mast-1", "heat_index")
    assert not len(there.store.read([felt], Period(everything().start, LIMIT))), "nothing comes back"
    again = export_instance(there.source, tmp_path / "again")
    assert again.pruned == read_manifest(tmp_path / "out").pruned


def test_hours_join_taken_numbers_and_stay_behind_where_there_is_another_past(
    pruned: Any, make: Any, tmp_path: Path
) -> None:
    from lived_instance import settle

    export_instance(pruned.source, tmp_path / "out")
    there = make("there")
    settle(there)
    old = Observations.build(there.number("mast-1", "co2"), [np.datetime64("2026-11-03", "us")], [444.0])
    there.store.append(old)
    done = import_instance(tmp_path / "out", there.target, merge=True)
    assert set(done.hours_left) == {"mast-1/co2", "mast-1/pm10"}, "both Datastreams were here before"
    assert done.hours == ["mast-1/heat_index"]
    assert 444.0 in there.store.read([there.number("mast-1", "co2")], everything()).result
    assert not done.differ


@pytest.mark.external_service
def test_an_engine_that_cannot_forget_leaves_them_in_the_folder_and_says_so(
    pruned: Any, make: Any, victoriametrics_url: str, tmp_path: Path
) -> None:
    export_instance(pruned.source, tmp_path / "out")
    name = f"observation_{uuid.uuid4().hex}"
    settings = VictoriaMetricsSettings(url=victoriametrics_url, measurement=name)
    there = make("there", StoreSettings("victoriametrics", victoriametrics=settings))
    done = import_instance(tmp_path / "out", there.target)
    assert not done.differ
    assert (len(done.hours), len(done.hours_left)) == (0, 3)


def test_the_engine_refuses_hours_where_values_are(pruned: Any, make: Any, tmp_path: Path) -> None:
    number = pruned.number("mast-1", "air_temperature")
    kept = pruned.store.aggregate(
        [number], Period(everything().start, LIMIT), timedelta(hours=1), list(Function)
    )
    with pytest.raises(StoreRejected, match=f"Datastream {number} has single values"):
        pruned.store.adopt([number], LIMIT, kept)
    assert number not in pruned.store.pruned()
    with pytest.raises(ValueError, match="midnight"):
        pruned.store.adopt([number], LIMIT + timedelta(hours=1), kept)


def test_truncated_hours_are_found_before_anything_is_written(pruned: Any, make: Any, tmp_path: Path) -> None:
    export_instance(pruned.source, tmp_path / "out")
    victim = tmp_path / f"out/aggregates/{pruned.numbers_pruned[0]}.parquet"
    victim.write_bytes(victim.read_bytes()[:-200])
    there = make("there")
    with pytest.raises(ConfigurationError, match=f"{victim.name}.*SHA-256"):
        import_instance(tmp_path / "out", there.target)
    assert not there.registry.ever().things
