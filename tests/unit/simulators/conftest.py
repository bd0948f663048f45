"""One virtual city for all tests of this folder: it is a pure function of its seed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from simulators.city import City, Device
from simulators.coverage import Coverage
from simulators.inventory import build_city
from simulators.places import Places, read_places
from simulators.sensing import Senses
from simulators.timetable import Timetable, Transmission

NOVEMBER = datetime(2026, 11, 10, tzinfo=UTC).timestamp()  # a Tuesday with school


@pytest.fixture(scope="session")
def places() -> Places:
    return read_places()


@pytest.fixture(scope="session")
def city(places: Places) -> City:
    return build_city(7, places)


@pytest.fixture(scope="session")
def senses(city: City) -> Senses:
    return Senses(city)


@pytest.fixture(scope="session")
def coverage(city: City) -> Coverage:
    return Coverage(city)


@pytest.fixture(scope="session")
def timetable(city: City, senses: Senses, coverage: Coverage) -> Timetable:
    return Timetable(city, senses, coverage)


@pytest.fixture(scope="session")
def morning(timetable: Timetable) -> list[Transmission]:
    """Six hours of the whole town."""
    return timetable.between(NOVEMBER + 5 * 3600, NOVEMBER + 11 * 3600)


@pytest.fixture(scope="session")
def of_kind(city: City) -> Callable[[str], list[Device]]:
    return lambda kind: [device for device in city.devices if device.kind == kind]
