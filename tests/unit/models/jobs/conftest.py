"""Every test gets a small city of its own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_city.py
from small_city import SmallCity


@pytest.fixture
def city(tmp_path):
    made = SmallCity(tmp_path)
    yield made
    made.close()


@pytest.fixture
def office(tmp_path):
    made = SmallCity(tmp_path, bins=0, meters=2)
    yield made
    made.close()


@pytest.fixture
def metered_city(tmp_path):
    made = SmallCity(tmp_path, meters=1)
    yield made
    made.close()
