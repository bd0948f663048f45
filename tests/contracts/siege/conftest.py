"""One fortress for all tests of this folder: they only ask, so they may share it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fortress.py and storm.py

from fortress import Fortress, fortress


@pytest.fixture(scope="session")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with fortress(tmp_path_factory.mktemp("fortress") / "city") as running:
        yield running
