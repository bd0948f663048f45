"""Two ingest workers share a subscription; either may be killed at any moment."""

import random
import time

import pytest
from accounts import settle
from installation import Installation, wait_until
from speakers import ChirpStack, Radio

from udp.store.opening import StoreSettings
from udp.store.server_settings import VictoriaMetricsSettings

pytestmark = [pytest.mark.external_service, pytest.mark.slow]


@pytest.mark.timeout(300)
def test_one_of_two_workers_is_killed_and_the_other_goes_on(tmp_path, metrics_server):
    """The embedded store has one writer, so that several workers need a store server."""
    url, _start, _stop = metrics_server
    (tmp_path / "platform").mkdir()
    store = {"kind": "victoriametrics", "victoriametrics": {"url": url}}
    # The gateways' clocks: by the agents' own, at a rate no device has, two uplinks of a device now and
    # then fall into one millisecond, which is one sample to that store.
    platform = Installation(tmp_path / "platform", workers=2, gateway_clock="gps", settings={"store": store})
    platform.store_settings = StoreSettings(
        kind="victoriametrics", victoriametrics=VictoriaMetricsSettings(url=url)
    )
    chance = random.Random(20261121)
    try:
        platform.start()
        platform.wait_until_heard(*platform.workers)
        radio, server = Radio(platform), ChirpStack(platform, platform.devices)
        radio.start()
        server.start()
        for _ in range(6):
            time.sleep(chance.uniform(0.2, 1.0))
            victim = chance.choice(platform.workers)
            platform.kill(victim)
            alone = radio.published
            wait_until(lambda alone=alone: radio.published > alone + 10, 30, "the gateways are still served")
            platform.start(victim)
        confirmed = radio.stop() | server.stop()
        wait_until(lambda: confirmed <= set(platform.stored()), 60, "everything confirmed is stored")
        wait_until(platform.at_rest, 60, "spools and journals are empty")
        stored = platform.stored()
        settle("two workers", radio.published, confirmed, stored, kills=platform.kills)
        assert all(platform.kills[name] for name in platform.workers), "each was killed at least once"
    finally:
        for name in list(platform.processes):
            platform.kill(name)
