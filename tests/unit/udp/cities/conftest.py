"""One instance for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[3]
# For two_in_one.py, test_every_exit.py and listening.py.
for _folder in (Path(__file__).parent, _TESTS / "unit/udp/api", _TESTS / "contracts/sensorthings"):
    sys.path.insert(0, str(_folder))

from two_in_one import Instance  # noqa: E402 - found by the line above


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Started once; whoever ends a city waits until it is back."""
    made = Instance(tmp_path_factory.mktemp("instance"))
    try:
        made.wait(*made.towns)
        made.draw()
        yield made
    finally:
        made.stop()
