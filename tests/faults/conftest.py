"""Fault tests run whole platforms; their modules lie beside one another."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def installation(tmp_path, request):
    """A platform of real processes, stopped hard at the end; `request.param` are its settings."""
    from installation import Installation

    platform = Installation(tmp_path, **getattr(request, "param", {}))
    yield platform
    for name in list(platform.processes):
        platform.kill(name)
    if getattr(request.node, "failed", False):
        print(f"logs in {tmp_path}")
