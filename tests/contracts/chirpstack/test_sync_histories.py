"""Whatever clerks, other people and the network do, a sync that gets through leaves nothing to do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import grpc
from chirpstack_site import double_beside, opened_register
from chirpstack_world import Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udp.errors import PlatformError

NUMBERS = st.integers(1, 4)
EVENTS = st.one_of(
    st.tuples(st.sampled_from(["joins", "abp", "renamed", "rekeyed", "removed"]), NUMBERS),
    st.tuples(st.sampled_from(["gone", "keyless", "misnamed", "unmarked", "sessionless"]), NUMBERS),
    st.tuples(st.just("cut"), st.integers(1, 25)),
    st.tuples(st.just("lost"), st.integers(1, 25)),
)


def clerk(site, event, number, rows):
    """A table comes in."""
    key = f"{number}{len(rows)}".ljust(31, "7")[:31] + "e"
    wanted = {
        "joins": lambda: site.row(number),
        "abp": lambda: site.abp(number),
        "renamed": lambda: {**rows[number], "name": f"Name {len(rows)}"},
        "rekeyed": lambda: site.row(number, app_key=key),
        "removed": lambda: {**rows[number], "ausgebaut_am": "01.11.2026"},
    }
    if number in rows or event in ("joins", "abp"):
        row = wanted[event]()
        site.take_in(row)
        rows[number] = {column: value for column, value in row.items() if column != "ausgebaut_am"}


def stranger(world, event, dev_eui):
    """Somebody works in ChirpStack itself."""
    if dev_eui not in world.devices:
        return
    if event == "gone":
        for table in (world.devices, world.keys, world.sessions):
            table.pop(dev_eui, None)
    elif event == "keyless":
        world.keys.pop(dev_eui, None)
    elif event == "sessionless":
        world.sessions.pop(dev_eui, None)
    elif event == "misnamed":
        world.devices[dev_eui].name = "Verstellt"
    else:
        world.devices[dev_eui].tags.pop("udp", None)


class Breaking:
    """From a call on, nobody answers; or just once."""

    def __init__(self, left, *, for_ever):
        self.left, self.for_ever = left, for_ever

    def __call__(self, _method, _request):
        self.left -= 1
        if self.left == 0 or (self.for_ever and self.left < 0):
            raise Refused(grpc.StatusCode.UNAVAILABLE, "connection reset")


def broken_sync(site, event, at):
    """A sync that breaks off, or of which one answer is lost."""
    site.world.before = site.world.after = lambda _method, _request: None
    hook = Breaking(at, for_ever=event == "cut")
    setattr(site.world, "before" if event == "cut" else "after", hook)
    try:
        site.sync()
    except PlatformError as error:
        assert "ChirpStack" in str(error)
    site.world.before = site.world.after = lambda _method, _request: None


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, max_size=8))
def test_a_sync_that_gets_through_leaves_nothing_to_do(events):
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), {}
        with opened_register(folder) as register, double_beside(folder, *register) as site:
            for event, number in events:
                if event in ("cut", "lost"):
                    broken_sync(site, event, number)
                elif event in ("joins", "abp", "renamed", "rekeyed", "removed"):
                    clerk(site, event, number, rows)
                else:
                    stranger(site.world, event, site.eui(number))
            outcome = site.sync(adopt=True, deleting=True)
            assert (outcome.failed, outcome.untried) == ([], 0)
            plan = site.plan()
            assert (plan.steps, plan.surplus, plan.notes) == ((), (), ())
            in_force = {one.hex() for one in site.registry.inventory().devices}
            assert set(site.world.devices) == in_force
            kinds = [one.tags["udp_profile"] for one in site.world.profiles.values() if "udp" in one.tags]
            assert len(kinds) == len(set(kinds))
            assert len(site.world.tenants) == len(site.world.applications) == 1
