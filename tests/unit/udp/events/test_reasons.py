"""What stands still is told in words and units of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from udp.events.past import _stuck_reason
from udp.events.stuck import Standstill
from udp.events.subjects import Subject
from udp.sensorthings import Access, Datastream, ObservedProperty
from udp.units import UNITS, written_unit

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_people_read_no_codes():
    """UCUM's own spelling (Cel, [ppm], dB[A], ug/m3) stays inside."""
    written = {symbol: written_unit(symbol) for symbol in UNITS}
    assert (written["Cel"], written["deg"], written["W/m2"], written["1"]) == ("°C", "°", "W/m²", "")
    assert not [symbol for symbol, text in written.items() if "[" in text or text.startswith("u")]


def test_a_standstill_is_told_in_the_units_people_write():
    stream = Datastream(
        1, "air_temperature", "Lufttemperatur", "wetter-1", "Station",
        ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/air_temperature"),
        UNITS["Cel"], Access.OPEN, None, "dl-de/zero-2-0", 600.0,
    )  # fmt: skip
    one = Subject("device", "1", "Station", "wetter-1", HOUR, START, ())
    said = _stuck_reason(stream, one, Standstill(9.5, START, None), START + 48 * HOUR)
    assert said == "Station: Lufttemperatur steht seit 2 Tagen unverändert auf 9,5 °C."
