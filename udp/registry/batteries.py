"""How full a battery of a known kind is, by its voltage: one table per chemistry, with its source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from udp.registry.toml_tables import Complaints, Table, open_toml

UNKNOWN = "unknown"
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Curve:
    """Volt of one cell -> percent; above `readable_below` percent the voltage tells nothing."""

    name: str
    volts: tuple[float, ...]
    percents: tuple[float, ...]
    readable_below: float = 100.0

    def percent(self, volts: float) -> float | None:
        """0 to 100; None where the voltage of this chemistry tells nothing yet."""
        found = self._between(volts)
        return found if found <= self.readable_below else None

    def _between(self, volts: float) -> float:
        """Straight between two points, level outside. By hand: numpy would cost every command 0.2 s."""
        above = bisect_right(self.volts, volts)
        if above == 0 or above == len(self.volts):
            return self.percents[max(above - 1, 0)]
        low, high = self.volts[above - 1], self.volts[above]
        share = (volts - low) / (high - low)
        return self.percents[above - 1] + share * (self.percents[above] - self.percents[above - 1])


@dataclass(frozen=True, slots=True)
class Battery:
    """What a device type runs on: `cells` in series of one chemistry."""

    curve: Curve
    cells: int

    def percent(self, volts: float) -> float | None:
        """By the voltage of all cells together."""
        return self.curve.percent(volts / self.cells)


def load_curves(path: Path = _HERE / "batteries.toml") -> Mapping[str, Curve]:
    """Every chemistry by its key. ConfigurationError lists what is wrong with the file."""
    complaints = Complaints(path)
    found: dict[str, Curve] = {}
    for key, content in open_toml(path).items():
        table = Table(content, f"battery {key!r}", complaints)
        name, readable = table.text("name"), table.number("readable_below_percent", 100.0)
        table.text("source")
        points = len(content.get("volts", ()))
        volts, percents = table.numbers("volts", points), table.numbers("percents", points)
        table.finish()
        if len(volts) < 2 or list(volts) != sorted(volts) or list(percents) != sorted(percents):
            table.complain("volts", "needs two points or more, and both lists rising")
        found[key] = Curve(name, volts, percents, readable)
    complaints.raise_any()
    return found
