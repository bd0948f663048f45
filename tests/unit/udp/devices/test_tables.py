"""Tables as offices save them all say the same; any bytes are a table or refused."""

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udp.devices.columns import COLUMNS, column_named
from udp.devices.findings import Findings, TableRefused
from udp.devices.table_file import read_table

EXPECTED = {
    "objekt": "behaelter-1",
    "name": "Behälter, groß; neu",
    "dev_eui": "70B3D50000000001",
    "laenge": "7,31",
}
HEADINGS = ["Objekt", "NAME", "DevEUI", "Länge"]


def cells(path):
    findings = Findings()
    (only,) = read_table(path, findings)
    assert findings.all == []
    return only.cells


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_kind_of_csv(tmp_path, separator, encoding, end):
    path = tmp_path / "x.csv"
    lines = [HEADINGS, [f'"{EXPECTED[key]}"' for key in ("objekt", "name", "dev_eui", "laenge")]]
    path.write_bytes(end.join(separator.join(line) for line in lines).encode(encoding))
    assert cells(path) == EXPECTED


def test_a_workbook_says_the_same(tmp_path):
    path = tmp_path / "x.xlsx"
    values = [EXPECTED[key] for key in ("objekt", "name", "dev_eui", "laenge")]
    columns = [*HEADINGS, "Eingebaut am", "Bürgersensor", "leer_mm"]
    more = [pandas.Timestamp("2026-03-01"), True, 1200.0]
    pandas.DataFrame([[*values, *more]], columns=columns).to_excel(path, index=False)
    assert cells(path) == EXPECTED | {"eingebaut_am": "2026-03-01", "buergersensor": "ja", "leer_mm": "1200"}


def test_headings_are_known_in_german_and_english_however_written():
    assert {column_named(one) for one in ("DevEUI", "dev_eui", "DEV EUI", "Dev-EUI")} == {"dev_eui"}
    assert (column_named("Eigentümer"), column_named("owner")) == ("eigentuemer", "eigentuemer")
    assert {column_named(one.alias) for one in COLUMNS.values()} == set(COLUMNS)
    assert column_named("") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
@given(st.binary(max_size=400) | st.text(alphabet='dev_eui;,\n"a1 ', max_size=200).map(str.encode))
def test_any_bytes_are_a_table_or_refused(tmp_path, octets):
    path = tmp_path / "x.csv"
    path.write_bytes(octets)
    try:
        rows = read_table(path, Findings())
    except TableRefused as error:
        assert str(path) in str(error)
    else:
        assert all(one.line > 1 and set(one.cells) <= set(COLUMNS) for one in rows)
