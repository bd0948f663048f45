"""A clock that jumps a day ahead and back while everything works: nothing is lost, doubled or hidden."""

from datetime import UTC, datetime, timedelta

import pytest
from accounts import settle
from installation import Installation, wait_until

from udp.sensorthings import QualityRule
from udp.store.columns import Period
from udp.store.opening import open_store

pytestmark = [pytest.mark.external_service, pytest.mark.slow]
DAY = timedelta(days=1)


def hear(platform: Installation, counts: range) -> set[tuple[int, int]]:
    gateways = [platform.gateway(number) for number in range(len(platform.agents))]
    for count in counts:
        for gateway in gateways:
            for device in platform.devices:
                gateway.deliver(device, count)
    return set.union(*(gateway.acknowledged for gateway in gateways))


def flagged(platform: Installation) -> int:
    """Values the rule `clock` has marked."""
    now = datetime.now(UTC)
    store = open_store(platform.store_settings, lambda: now)
    try:
        rows = store.read(list(range(1, 200)), Period(now - 3 * DAY, now + 3 * DAY))
    finally:
        store.close()
    return int((rows.rule == QualityRule.CLOCK).sum())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("installation", [{"clocks_move": True}], ids=[""], indirect=True)
@pytest.mark.parametrize(
    "whose", [["gw-1", "gw-2"], ["gw-1", "ingest"]], ids=["all agents'", "one agent's and ingest's"],
)  # fmt: skip
def test_a_clock_that_jumps_a_day_ahead_and_back(installation, whose):
    installation.start()
    confirmed = hear(installation, range(1, 6))
    for ahead, counts in ((DAY, range(6, 11)), (timedelta(0), range(11, 16)), (-DAY, range(16, 21)),
                          (timedelta(0), range(21, 26))):  # fmt: skip
        # One uplink is heard on both sides of the jump.
        first, second = installation.gateway(0), installation.gateway(1)
        for device in installation.devices:
            first.deliver(device, counts[0])
        installation.move_clock(ahead, *whose)
        for device in installation.devices:
            second.deliver(device, counts[0])
        confirmed |= first.acknowledged | second.acknowledged | hear(installation, counts)
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all stored")
    wait_until(installation.at_rest, 60, "spools and journal are empty")
    settle(f"clock of {', '.join(whose)}", len(confirmed), confirmed, installation.stored())
    marked = flagged(installation)
    print(f"{marked} values marked by the rule `clock`")
    if "ingest" not in whose:
        assert marked >= 5 * len(installation.devices), "a day ahead of the platform is doubted"
