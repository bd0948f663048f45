"""Print what the models reach on real series beside their baselines: `python -m models.evaluate --data DIR`.

DIR may hold any of these, CSV or Parquet:
  hydro/daily_*.csv   precipitation_mm, temperature_c, potential_evaporation_mm, discharge_mm
  hydro/sub_*.csv     precipitation_mm and discharge_m3s and/or level_m, any regular step up to six hours
  hydro/metadata.json by file: split, targets, area_km2, latitude (all optional)
  fill/*.parquet      bin, date, level (0-10), threshold; or container, time, distance_cm, depth_cm
  consumption/        readings.parquet (meter, utility, t, value, test), events.csv (meter, type, start, end,
                      cost_eur), weather.parquet (t, temp_c)
Other usual names and units (level_cm, discharge_l_s, distance_mm ...) are understood; what is missing or was
corrected is said. Times are UTC unless they say otherwise. Fitted before the split, measured after it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.consumption.expected import Calendar
from models.evaluate.basins import daily_runoff
from models.evaluate.bins import BIN, fill_daily, is_daily, one_row_each
from models.evaluate.echoes import fill_hourly
from models.evaluate.loads import loads_ahead
from models.evaluate.meters import consumption
from models.evaluate.streams import streams
from models.evaluate.tables import NOT_EVALUATED, Table, UnusableTable, notes
from models.jobs.stopping import given_up_with


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when all of DIR was evaluated, 1 when a file could not be, 2 when DIR holds nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the series are")
    parser.add_argument("--only", choices=("daily", "stream", "fill", "consumption", "load"), default=None)
    parser.add_argument(
        "--holidays",
        default="GB-ENG",
        metavar="COUNTRY-PART",
        help="of the meters' place, as DE-NW (%(default)s)",
    )
    asked = parser.parse_args(argv)
    if not asked.data.is_dir():
        sys.stderr.write(f"{asked.data} is no directory; --data names the one that holds hydro/, fill/ ...\n")
        return 2
    country, _, part = asked.holidays.partition("-")
    calendar = Calendar(country, part or None)
    sections: dict[str, Callable[[Path], Iterator[str]]] = {
        "daily": daily_runoff,
        "stream": streams,
        "fill": fill,
        "consumption": lambda data: consumption(data, calendar),
        "load": lambda data: loads_ahead(data, calendar),
    }
    with given_up_with("stopped; what is printed above is whole"):
        return _print(asked.data, [one for name, one in sections.items() if asked.only in (None, name)])


def _print(data: Path, sections: Sequence[Callable[[Path], Iterator[str]]]) -> int:
    printed, failed = 0, set()
    for section in sections:
        for line in _safely(section, data):
            printed += 1
            if not line.startswith(NOT_EVALUATED):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            elif line not in failed:
                failed.add(line)
                sys.stderr.write(line + "\n")
    if not printed:
        sys.stderr.write(
            f"{data} holds none of the known series: hydro/sub_*.csv, hydro/daily_*.csv, fill/*.parquet, "
            "consumption/readings.parquet; --help names their columns\n"
        )
        return 2
    return 1 if failed else 0


def _safely(section: Callable[[Path], Iterator[str]], data: Path) -> Iterator[str]:
    """A file that cannot be read is said and does not stop the others."""
    try:
        yield from section(data)
    except UnusableTable as error:
        yield f"{NOT_EVALUATED}{error}"


def fill(data: Path) -> Iterator[str]:
    """Each file of fill/ by what it holds: one ordinal level a day, or echoes."""
    for file in sorted([*(data / "fill").glob("*.parquet"), *(data / "fill").glob("*.csv")]):
        try:
            table = one_row_each(Table.read(file))
            times = table.times()
            bins, names = table.numbered("container", BIN)
            table.say_times(times, bins)
            if is_daily(table, times, bins):
                yield from fill_daily(table, times, bins)
            else:
                yield from fill_hourly(table, times, bins, names)
            yield from notes(table.remarks)
        except UnusableTable as error:
            yield f"{NOT_EVALUATED}{error}"


if __name__ == "__main__":
    sys.exit(main())
