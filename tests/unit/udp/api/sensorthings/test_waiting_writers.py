"""A writer that waits for its turn takes nothing from those who read, and is told when it waited too long."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import anyio.to_thread
import httpx2
import pytest
from plug import Plug, key_of, listener, until

from udp.api.sensorthings.mqtt import packets
from udp.api.sensorthings.mqtt.packets import Publish
from udp.errors import RegistryUnavailable
from udp.registry import database
from udp.registry.database import Database

_WRITERS = 6
_WITHIN_S = 15.0
TURN = r"registry\.sqlite\.turn"


@pytest.fixture
def elsewhere(city, tmp_path) -> Iterator[threading.Event]:
    """Somebody with connections of its own has the turn until this is set."""
    held, over = threading.Event(), threading.Event()
    other = Database(f"sqlite:///{tmp_path}/registry.sqlite")

    def hold() -> None:
        with other.turn():
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(_WITHIN_S)
    yield over
    over.set()
    holder.join()
    other.close()


def body(taken: Callable[[], None]) -> AsyncIterator[bytes]:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"result": 4.5}'
        taken()

    return parts()


def test_readers_are_answered_while_another_process_has_the_turn(city, elsewhere):
    path = f"/v1.1/Datastreams({city.ids['behaelter-1/fill_level']})/Observations"
    headers = {**city.operator, "Content-Type": "application/json"}
    taken: list[bool] = []
    written: list[int] = []

    async def write(client: httpx2.AsyncClient) -> None:
        content = body(lambda: taken.append(True))
        written.append((await client.post(path, content=content, headers=headers, timeout=None)).status_code)

    async def read(client: httpx2.AsyncClient) -> None:
        while len(taken) < _WRITERS:
            await anyio.sleep(0.01)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(_WITHIN_S):
            answer = await client.get("/v1.1/Things", headers=city.operator)
        assert (answer.status_code, written) == (200, [])

    async def both() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _WRITERS
        transport = httpx2.ASGITransport(city.client.app)
        async with (
            httpx2.AsyncClient(transport=transport, base_url="http://city") as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(_WRITERS):
                tasks.start_soon(write, client)
            try:
                await read(client)
            finally:
                elsewhere.set()

    city.client.portal.call(both)
    assert written == [201] * _WRITERS


def test_clients_by_mqtt_come_in_while_others_wait_for_the_turn(city, elsewhere):
    listener(city)._threads.total_tokens = 2
    port, turn = city.mqtt_port(), city.client.app.state.sensorthings.turn
    topic = f"v1.1/Datastreams({city.ids['behaelter-1/fill_level']})/Observations"
    writers = [Plug(port).connect(key=key_of(city)) for _ in range(3)]
    for one in writers:
        one.send(packets.publish(4, Publish(topic, b'{"result": 4.5}', 1, number=1)))
    until(lambda: turn.statistics().borrowed_tokens + turn.statistics().tasks_waiting == len(writers))
    new = Plug(port)
    new.socket.settimeout(_WITHIN_S)
    new.connect(key=key_of(city)).subscribe("v1.1/Things")
    elsewhere.set()
    assert all(one.take(4) == b"\x40\x02\0\x01" for one in writers)


def test_who_waits_too_long_is_told_where(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_BUSY_S", 0.1)
    mine, other = (Database(f"sqlite:///{tmp_path}/registry.sqlite") for _ in range(2))
    with other.turn(), pytest.raises(RegistryUnavailable, match=TURN), mine.turn():
        pytest.fail("two have the turn")
    with mine.turn():
        pass
    mine.close()
    other.close()


def test_a_turn_that_cannot_be_opened_is_a_register_that_cannot_be_written(tmp_path):
    register = Database(f"sqlite:///{tmp_path}/registry.sqlite")
    (tmp_path / "registry.sqlite.turn").mkdir()
    with pytest.raises(RegistryUnavailable, match=TURN), register.turn():
        pytest.fail("a turn without its file")
    register.close()
