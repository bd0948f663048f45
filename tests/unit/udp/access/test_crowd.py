"""One address without a key may not take the server from all others, and is told politely when it tries."""

import asyncio

import pytest

from udp.access.crowd import WORTH_S, Crowd
from udp.access.limits import TooOften

STRANGER = "203.0.113.7"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def ask(crowd, host=STRANGER, *, forwarded=False, lasting=0.0, clock=None):
    async def once():
        visit = await crowd.enter(host, forwarded=forwarded)
        if clock is not None:
            clock.now += lasting
        if visit is not None:
            visit.leave()
        return visit

    return asyncio.run(once())


def refused(crowd, host=STRANGER):
    with pytest.raises(TooOften) as told:
        ask(crowd, host)
    return int(told.value.headers["Retry-After"])


def test_so_many_a_minute_and_again_when_it_was_said(clock):
    crowd = Crowd(60, 8, clock)
    for _ in range(60):
        ask(crowd)
    wait = refused(crowd)
    assert wait == 1
    clock.now += wait
    ask(crowd)
    refused(crowd)
    clock.now += 60
    for _ in range(60):
        ask(crowd)


def test_a_refusal_costs_nothing(clock):
    crowd = Crowd(60, 8, clock)
    for _ in range(60):
        ask(crowd)
    for _ in range(100):
        assert refused(crowd) == 1


def test_what_takes_long_counts_for_more(clock):
    crowd = Crowd(60, 8, clock)
    ask(crowd, lasting=100 * WORTH_S, clock=clock)
    # 60 full, less one and a hundred, and two seconds of refill; then until one is there again.
    assert refused(crowd) == pytest.approx(40, abs=2)
    assert ask(crowd, "203.0.113.8") is not None


def test_addresses_of_one_subscriber_are_one(clock):
    crowd = Crowd(60, 8, clock)
    for number in range(60):
        ask(crowd, f"2001:db8:1:2::{number:x}")
    refused(crowd, "2001:db8:1:2:ffff::1")
    ask(crowd, "2001:db8:1:3::1")
    for _ in range(60):
        ask(crowd)
    refused(crowd, f"::ffff:{STRANGER}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", None, "testclient", ""])
def test_this_machine_is_not_limited(clock, host):
    crowd = Crowd(1, 1, clock)
    assert [ask(crowd, host) for _ in range(5)] == [None] * 5


def test_behind_a_proxy_that_is_not_named_nobody_shares_its_limit_and_it_is_said_once(clock, caplog):
    crowd = Crowd(1, 1, clock)
    assert [ask(crowd, "10.0.0.5", forwarded=True) for _ in range(5)] == [None] * 5
    assert caplog.text.count('proxy = "10.0.0.5"') == 1
    # Whoever comes from the open net cannot free itself by a header.
    ask(crowd, STRANGER, forwarded=True)
    with pytest.raises(TooOften):
        ask(crowd, STRANGER, forwarded=True)
    ask(crowd, "10.0.0.9")
    refused(crowd, "10.0.0.9")


def test_no_limit_at_all(clock):
    assert ask(Crowd(0, 1, clock)) is None


def test_so_many_at_once_then_the_others_in_turn(clock):
    crowd = Crowd(1000, 2, clock)
    order = []

    async def one(number):
        visit = await crowd.enter(STRANGER, forwarded=False)
        order.append(number)
        working = crowd._guests[STRANGER].working
        await asyncio.sleep(0)
        visit.leave()
        visit.leave()
        return working

    async def all_at_once():
        return await asyncio.gather(*(one(number) for number in range(20)))

    assert max(asyncio.run(all_at_once())) <= 2
    assert order == list(range(20))
    assert crowd._guests[STRANGER].working == 0


def test_a_queue_has_an_end(clock):
    crowd = Crowd(1000, 1, clock)

    async def many():
        first = await crowd.enter(STRANGER, forwarded=False)
        waiting = [asyncio.create_task(crowd.enter(STRANGER, forwarded=False)) for _ in range(80)]
        await asyncio.sleep(0)
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        errors = [one.exception() for one in done]
        first.leave()
        for task in waiting:
            if task not in done:
                (await task).leave()
        return errors

    errors = asyncio.run(many())
    assert len(errors) == 80 - 64
    assert all(isinstance(one, TooOften) for one in errors)


def test_memory_is_bounded_and_who_is_served_stays(clock):
    crowd = Crowd(10, 8, clock)

    async def flood():
        kept = await crowd.enter(STRANGER, forwarded=False)
        for number in range(20_100):
            visit = await crowd.enter(
                f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}", forwarded=False
            )
            visit.leave()
        return kept

    asyncio.run(flood())
    assert len(crowd._guests) <= 20_000
    assert STRANGER in crowd._guests
