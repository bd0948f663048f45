"""What The Things Stack sends while ingest is killed: with retries all of it, without them honest gaps."""

import contextlib
import random
import time

import pytest
from accounts import settle
from installation import Installation, wait_until
from speakers import CommunityServer, Webhook

pytestmark = [pytest.mark.external_service, pytest.mark.slow]


def kill_now_and_then(installation: Installation, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        time.sleep(chance.uniform(0.2, 3.0))  # ingest needs one or two seconds to come up
        victim = chance.choice(["ingest", "pipeline"])
        installation.kill(victim)
        if victim == "ingest":
            time.sleep(chance.uniform(0.0, 1.0))
            installation.start("ingest")


def wait_until_the_last_is_counted(installation: Installation, last: tuple[int, int], what: str) -> None:
    """Until the ledger, which is written after the store, knows the device's uplink or a later one."""
    number, count = last

    def counted() -> bool:
        devices = ledger.report().devices
        return any(int(row.dev_eui[-2:], 16) == number and row.last_f_cnt >= count for row in devices)

    with contextlib.closing(installation.ledger()) as ledger:
        wait_until(counted, 90, what)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("installation", [{"transport": "http"}], indirect=True)
def test_webhooks_that_are_retried_survive_kills_of_ingest(installation):
    """Taken means journalled: what got a 2xx is stored once, also what was sent twice for want of one."""
    installation.start("ingest")
    server = Webhook(installation)
    server.start()
    wait_until(lambda: len(server.taken) > 50, 60, "the door is open")
    kill_now_and_then(installation, 6, seed=11)
    confirmed = server.stop()
    wait_until(lambda: confirmed <= set(installation.stored()), 90, "all webhooks taken are stored")
    wait_until(installation.at_rest, 60, "the journal is worked off")
    stored = installation.stored()
    settle("The Things Stack, webhook", server.published, confirmed, stored, kills=installation.kills)
    print(f"posted again {server.repeated} times")
    assert server.repeated > 0, "no kill met a webhook"
    assert len(confirmed) > 50


@pytest.mark.timeout(300)
def test_what_is_lost_on_things_stack_mqtt_is_counted_exactly(installation):
    """QoS 0: nobody promises anything. Nothing is doubled or invented, and every loss is shown."""
    installation.start("broker", "ingest")
    installation.wait_until_heard(topic="v3/")
    server = CommunityServer(installation)
    server.start()
    wait_until(lambda: installation.stored().total() > 50, 60, "the first uplinks are stored")
    kill_now_and_then(installation, 5, seed=12)
    wait_until_the_last_is_counted(installation, server.last, "it hears again")
    sent = server.stop()
    # The broker keeps the order, and so does ingest: behind the last nothing is on its way.
    wait_until_the_last_is_counted(installation, server.last, "the last uplink is counted")
    stored = installation.stored()
    settle("The Things Stack, MQTT", len(sent), set(), stored, kills=installation.kills, unconfirmed=sent)
    ledger = installation.ledger()
    shown = {int(row.dev_eui[-2:], 16): row.lost for row in ledger.report().devices}
    ledger.close()
    missing = {}
    for device in installation.devices:
        heard = {count for number, count in stored if number == device.number}
        missing[device.number] = max(heard) - min(heard) + 1 - len(heard)
    print(f"lost, promised by nobody: {sum(missing.values())} of {len(sent)}; shown: {sum(shown.values())}")
    assert sum(missing.values()) > 0, "no kill cost anything: this tested nothing"
    assert shown == missing
