"""A running platform that Grafana's boards ask, and a Grafana to put them into."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import town as towns


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[towns.Town]:
    """Served once for all tests; who changes the policy puts it back."""
    with towns.running(tmp_path_factory.mktemp("town")) as made:
        yield made
