"""A city with enough variety for filters: qualities, forecasts, closed days, equal times, hidden series."""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from udp.registry.port import CityDescription
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations

sys.path.insert(0, str(Path(__file__).parent))  # for reference_queries.py

LEVEL = ObservedProperty("fill_level", "Füllstand", "https://example.org/fill_level")
AIR = ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/air_temperature")
HIDDEN_WORD = "Verborgen"
HIDDEN_VALUE = 4711.25


def described() -> CityDescription:
    things, streams = [], []
    for number in range(6):
        hidden = number in (2, 5)
        name = f"{HIDDEN_WORD} {number}" if hidden else f"Mast O'Neil {number}"
        place = Location(
            51.5 + number / 100, 7.3 + number / 50, "castrop" if number % 2 else "ickern", "X", 90.0
        )
        properties: dict[str, str | float | bool] = {"volumen_l": 100.0 * number, "neu": number % 2 == 0}
        things.append(
            Thing(
                f"ding-{number}", name, "pole" if number % 2 else "bin", "luft" if number < 3 else "wetter",
                place, simulated=True, properties=properties if number % 3 else {},
            )
        )  # fmt: skip
        for position, observed in enumerate((LEVEL, AIR)):
            # Thing 4 is open, but one of its two series is not.
            closed = hidden or (number == 4 and position == 1)
            streams.append(
                Datastream(
                    id=len(streams), key=observed.key, name=observed.name, thing=f"ding-{number}",
                    sensor=f"{HIDDEN_WORD}-Fühler" if closed else f"Fühler {position}",
                    observed_property=observed, unit=Unit("%", "Prozent"),
                    access=Access.RESTRICTED if closed else Access.OPEN,
                    exemption="personal" if closed else None, licence="" if closed else "dl-de/zero-2-0",
                    expected_interval_s=600.0 * (1 + position),
                )
            )  # fmt: skip
    return CityDescription("Stadt", True, tuple(things), tuple(streams), (), ())


@pytest.fixture
def filled(city):
    """Five days: three of them closed into files, forecasts ahead, something in every quality."""
    city.registry.import_city(described())
    city.description = described()
    rng = np.random.default_rng(7)
    open_ids, hidden_ids = [], []
    for number, one in city.registry.inventory().datastreams.items():
        city.ids[f"{one.thing}/{one.key}"] = number
        (open_ids if one.access is Access.OPEN else hidden_ids).append(number)
    begin = np.datetime64((city.clock[0] - timedelta(days=5)).replace(tzinfo=None), "us")
    for number in open_ids + hidden_ids:
        steps = np.sort(rng.choice(5 * 24 * 6, 40, replace=False))
        times = begin + (steps * 600_000_000).astype("timedelta64[us]")
        times[::7] += np.timedelta64(250_000, "us")
        values = np.full(40, HIDDEN_VALUE) if number in hidden_ids else np.round(rng.normal(0, 20, 40), 1)
        city.store.append(
            Observations.build(
                number, times, values, quality=rng.integers(0, 4, 40), rule=rng.integers(0, 5, 40),
                result_time=times + np.timedelta64(5, "s"),
            )
        )  # fmt: skip
        ahead = begin + np.timedelta64(6, "D") + (np.arange(3) * 3600).astype("timedelta64[s]")
        city.store.append(
            Observations.build(
                number, ahead, values[:3], result_time=ahead - np.timedelta64(1, "h"), lead=3600
            )
        )
    while city.store.maintain(city.clock[0] + timedelta(minutes=1)):
        pass
    city.open_ids, city.hidden_ids = open_ids, hidden_ids
    return city


@pytest.fixture
def ask(filled):
    """GET below /v1.1; options as keywords without `$`."""

    def asked(path, *, operator=False, status=200, **options):
        headers = filled.operator if operator else {}
        params = {f"${name}": str(value) for name, value in options.items()}
        answer = filled.client.get(f"/v1.1/{path}", params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return asked
