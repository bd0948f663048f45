"""How cities end: together and at once when told, and never without their door."""

# ruff: noqa: E501

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from two_in_one import WITHIN_S, Instance


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_city_s_process_ends_with_the_door_however_that_went():
    code = "from udp.cities.behind import end_with_parent; end_with_parent(); print('here', flush=True); import time; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == b"here\n"
    child.stdin.close()  # as the system does for whoever is killed
    assert child.wait(WITHIN_S) == -signal.SIGTERM
    child.stdout.close()


@pytest.fixture
def own_instance(tmp_path):
    """Not the one others still ask."""
    made = Instance(tmp_path)
    try:
        made.wait(*made.towns)
        yield made
    finally:
        made.stop()


def test_told_to_stop_all_end_though_somebody_listens(own_instance):
    instance = own_instance
    numbers = [instance.process_of(town) for town in instance.towns]
    assert all(map(alive, numbers))
    lines = [
        urllib.request.urlopen(f"{town.door}{town.root}/api/v1/live", timeout=30) for town in instance.towns
    ]
    for line in lines:
        assert line.readline()
    began = time.monotonic()
    assert instance.stop() == 0
    assert time.monotonic() - began < 30
    assert not any(map(alive, numbers))
    for line in lines:
        line.close()
    assert "Traceback" not in instance.log.read_text()
