"""What leaves one engine and one database arrives in any other: counts and checksums per Datastream."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from udp.api.sensorthings.model import SETS
from udp.opendata.instance.exporting import export_instance
from udp.opendata.instance.importing import import_instance
from udp.opendata.instance.verifying import DIFFERS, ROUNDED, SAME
from udp.store.opening import StoreSettings
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

SERVERS = [
    "embedded",
    pytest.param("influxdb", marks=pytest.mark.external_service),
    pytest.param("victoriametrics", marks=pytest.mark.external_service),
]
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.external_service)]


@pytest.fixture
def store(request: pytest.FixtureRequest) -> StoreSettings | None:
    name = f"observation_{uuid.uuid4().hex}"
    if request.param == "influxdb":
        url = request.getfixturevalue("influxdb_1_url")
        return StoreSettings("influxdb", influxdb=InfluxDBSettings(url=url, write_api="v1", measurement=name))
    if request.param == "victoriametrics":
        url = request.getfixturevalue("victoriametrics_url")
        return StoreSettings(
            "victoriametrics", victoriametrics=VictoriaMetricsSettings(url=url, measurement=name)
        )
    return None


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("empty_postgresql")


@pytest.mark.parametrize("url", DATABASES, indirect=True)
@pytest.mark.parametrize("store", SERVERS, indirect=True)
def test_every_datastream_arrives_and_leaves_again_as_it_was(
    lived: Any, make: Any, store: StoreSettings | None, url: str, tmp_path: Path
) -> None:
    out = export_instance(lived.source, tmp_path / "out", confidential=True)
    there = make("there", store, url)
    done = import_instance(tmp_path / "out", there.target)
    for one in done.compared:
        print(f"{one.name:32} {one.exported:6} {one.here:6} {one.checksum[:12]} {one.verdict}")
    assert {one.verdict for one in done.compared} == {SAME}
    assert len(done.compared) == len(lived.registry.ever().datastreams)
    assert tell(there) == tell(lived)
    back = export_instance(there.source, tmp_path / "back", confidential=True)
    assert back.datastreams == out.datastreams
    assert back.tables == out.tables
    for name in out.tables:
        left, right = ((tmp_path / side / f"register/{name}.jsonl").read_text() for side in ("out", "back"))
        assert left == right, name


@pytest.mark.external_service
def test_a_coarser_clock_is_said_and_two_values_in_a_millisecond_are_a_difference(
    lived: Any, make: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from udp.store.columns import Observations

    url = request.getfixturevalue("victoriametrics_url")
    number, other = lived.number("mast-1", "co2"), lived.number("mast-1", "pm10")
    start = np.datetime64("2026-11-20T23:00:00.000123", "us")
    lived.store.append(Observations.build(number, [start], [400.0]))
    lived.store.append(Observations.build(other, [start, start + np.timedelta64(5, "us")], [1.0, 2.0]))
    export_instance(lived.source, tmp_path / "out")
    settings = VictoriaMetricsSettings(url=url, measurement=f"observation_{uuid.uuid4().hex}")
    there = make("there", StoreSettings("victoriametrics", victoriametrics=settings))
    verdicts = {one.name: one.verdict for one in import_instance(tmp_path / "out", there.target).compared}
    assert verdicts.pop("mast-1/co2") == ROUNDED
    assert verdicts.pop("mast-1/pm10") == DIFFERS
    assert set(verdicts.values()) == {SAME}


@pytest.mark.parametrize("url", DATABASES, indirect=True)
def test_a_second_import_changes_nothing(lived: Any, make: Any, url: str, tmp_path: Path) -> None:
    export_instance(lived.source, tmp_path / "out", confidential=True)
    there = make("there", url=url)
    import_instance(tmp_path / "out", there.target)
    before, version = (
        export_instance(there.source, tmp_path / "one", confidential=True),
        there.registry.version(),
    )
    done = import_instance(tmp_path / "out", there.target)
    assert done.again
    assert not done.differ
    assert there.registry.version() == version
    after = export_instance(there.source, tmp_path / "two", confidential=True)
    assert after.datastreams == before.datastreams
    assert after.tables == before.tables
    assert after.files == before.files


def test_people_go_on_where_they_were(lived: Any, make: Any, tmp_path: Path) -> None:
    """Keys open, the audit log goes on unbroken, what is computed is not computed otherwise."""
    export_instance(lived.source, tmp_path / "out", confidential=True)
    there = make("there")
    import_instance(tmp_path / "out", there.target)
    assert there.audit.broken() is None
    there.audit.write("udp import", "imported")
    assert [one.what for one in there.audit.read()] == ["imported", *(one.what for one in lived.audit.read())]
    assert there.audit.broken() is None
    tally = there.derive()
    assert (tally.new, tally.changed, tally.withdrawn) == (0, 0, 0)
    assert tally.days > 10, "marks do not travel: every day is looked at"


def test_without_what_is_confidential_no_key_opens_anything(lived: Any, make: Any, tmp_path: Path) -> None:
    manifest = export_instance(lived.source, tmp_path / "out")
    assert not {"access_key", "staff", "audit", "device_secret"} & set(manifest.tables)
    assert any("API keys" in one for one in manifest.left_out)
    there = make("there")
    import_instance(tmp_path / "out", there.target)
    assert not there.audit.read()


def tell(one: Any) -> dict[str, Any]:
    """All of SensorThings; from when to when is told only where an engine knows it cheaply."""
    client = one.client()
    found: dict[str, Any] = {}
    for name in SETS:
        if name == "Observations":
            continue
        found[name] = client.get(f"/v1.1/{name}?$top=1000").json()["value"]
    bank = client.get("/v1.1/Things?$filter=name eq 'Bank am Markt'&$expand=Datastreams/Observations").json()
    found["bank"] = bank["value"]
    for stream in (*found["Datastreams"], *bank["value"][0]["Datastreams"]):
        for name in ("phenomenonTime", "resultTime"):
            stream.pop(name, None)
    assert len(found["bank"][0]["Datastreams"][0]["Observations"]) == 4
    assert len(one.store.latest()) == len(found["Datastreams"]), "all of them have values"
    return found
