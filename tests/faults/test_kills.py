"""kill -9 at random instants: what was acknowledged is in the store, once."""

import random
import time

import pytest
from accounts import settle
from installation import wait_until
from speakers import ChirpStack, Radio

pytestmark = [pytest.mark.external_service, pytest.mark.slow]
ROUNDS = 50


@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    "installation",
    [{"broker": "shipped"}, {"broker": "default limits"}, {"transport": "http"}],
    ids=["shipped broker", "broker with default limits", "HTTP"],
    indirect=True,
)
def test_kills_at_random_instants_lose_and_double_nothing(installation):
    chance = random.Random(20261121)
    installation.start()
    radio = Radio(installation)
    radio.start()
    victims = [*installation.agents, "ingest", "pipeline"]
    rounds = ROUNDS if installation.broker == "shipped" and installation.transport == "mqtt" else ROUNDS // 5
    for _ in range(rounds):
        time.sleep(chance.uniform(0.1, 1.5))
        victim = chance.choice(victims)
        installation.kill(victim)
        if victim != "pipeline":  # that one is started again by ingest itself
            time.sleep(chance.uniform(0.0, 0.3))
            installation.start(victim)
    wait_until(lambda: radio.published > 10 * rounds, 60, "enough was heard to lose some of it")
    confirmed = radio.stop()
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all acknowledged uplinks stored")
    wait_until(installation.at_rest, 60, "spools and journal are empty")
    settle(f"{rounds} kills", radio.published, confirmed, installation.stored(), kills=installation.kills)
    assert sum(installation.kills.values()) == rounds
    assert set(installation.kills) == set(victims), "everybody was killed"
    assert len(confirmed) > 10 * rounds


@pytest.mark.timeout(300)
def test_chirpstack_events_with_qos_1_survive_kills_of_ingest(installation):
    chance = random.Random(7)
    installation.start("broker", "ingest")
    installation.wait_until_heard()
    server = ChirpStack(installation, installation.devices)
    server.start()
    for _ in range(12):
        time.sleep(chance.uniform(0.1, 1.5))
        victim = chance.choice(["ingest", "pipeline"])
        installation.kill(victim)
        if victim == "ingest":
            time.sleep(chance.uniform(0.0, 1.0))
            installation.start("ingest")
    confirmed = server.stop()
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all events with PUBACK stored")
    wait_until(installation.at_rest, 60, "the journal is worked off")
    settle("ChirpStack QoS 1", server.published, confirmed, installation.stored(), kills=installation.kills)
