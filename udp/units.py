"""Units as UCUM codes with their German names: what a number means must not depend on a label.

The codes are those of the Unified Code for Units of Measure (ucum.org). UCUM knows no A-weighted
level and no turbidity unit: `dB[A]` is our extension, `{NTU}` an annotation of the unit 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from udp.errors import ConfigurationError
from udp.sensorthings import Unit

UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        symbol: Unit(symbol, name)
        for symbol, name in (
            ("1", "ohne Einheit"),
            ("%", "Prozent"),
            ("[ppm]", "Teile je Million"),
            ("s", "Sekunde"),
            ("mm", "Millimeter"),
            ("cm", "Zentimeter"),
            ("m3", "Kubikmeter"),
            ("m3/h", "Kubikmeter je Stunde"),
            ("deg", "Grad (Winkel)"),
            ("Cel", "Grad Celsius"),
            ("K.d", "Kelvin-Tage"),
            ("hPa", "Hektopascal"),
            ("kPa", "Kilopascal"),
            ("m/s", "Meter je Sekunde"),
            ("W", "Watt"),
            ("W/m2", "Watt je Quadratmeter"),
            ("kWh", "Kilowattstunde"),
            ("V", "Volt"),
            ("A", "Ampere"),
            ("uS/cm", "Mikrosiemens je Zentimeter"),
            ("mg/L", "Milligramm je Liter"),
            ("ug/m3", "Mikrogramm je Kubikmeter"),
            ("lx", "Lux"),
            ("dB", "Dezibel"),
            ("dB[A]", "Dezibel (A-bewertet)"),
            ("{NTU}", "Nephelometrischer Trübungswert"),
            ("By", "Byte"),
            ("MBy", "Megabyte"),
        )
    }
)

# UCUM code -> what stands behind the number. Codes that are missing here are shown as they are.
_WRITTEN = {
    "Cel": "°C", "deg": "°", "W/m2": "W/m²", "[ppm]": "ppm", "mg/L": "mg/l", "uS/cm": "µS/cm",
    "1": "", "m3": "m³", "dB[A]": "dB(A)", "ug/m3": "µg/m³", "By": "Byte", "MBy": "MB",
}  # fmt: skip


def written_unit(symbol: str) -> str:
    """A UCUM code as people write it; nothing for a bare number."""
    return _WRITTEN.get(symbol, symbol)


def unit(symbol: str) -> Unit:
    """The unit of a UCUM code; ConfigurationError where the table does not know it."""
    found = UNITS.get(symbol)
    if found is None:
        raise ConfigurationError(
            f"unit {symbol!r} is not known; use one of {', '.join(sorted(UNITS))} or add it to udp/units.py"
        )
    return found
