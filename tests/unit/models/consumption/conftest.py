"""A small fleet that has learned a year, shared: learning takes a second per meter."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for buildings.py
from buildings import CALENDAR, building, parts

from models.consumption.cases import MeterModel, new_model, share_scales
from models.series import Series


@pytest.fixture(scope="session")
def fleet() -> list[tuple[MeterModel, Series, Series]]:
    made = []
    for seed in range(6):
        load, temperature = building(seed)
        model = new_model(f"m{seed}", calendar=CALENDAR)
        assert model.fit(parts(load)[0], temperature) is None
        made.append((model, load, temperature))
    share_scales([model for model, _, _ in made])
    return made
