"""One connected client from CONNECT to its end; nothing of it is kept afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio.to_thread

from udp.access.limits import TooOften
from udp.api.sensorthings.mqtt import creating, packets, topics
from udp.api.sensorthings.mqtt.creating import NotNow, Refused, Visitor
from udp.api.sensorthings.mqtt.figures import Refusal, plain
from udp.api.sensorthings.mqtt.house import House
from udp.api.sensorthings.mqtt.links import Link
from udp.api.sensorthings.mqtt.octets import PROTOCOL_ERROR, Malformed
from udp.api.sensorthings.mqtt.outbox import Outbox
from udp.api.sensorthings.mqtt.packets import (
    MQTT_3,
    MQTT_5,
    Answer,
    Connect,
    Decoder,
    Kind,
    Packet,
    Publish,
    Sign,
    Subscribe,
    Unsubscribe,
    Unsupported,
)
from udp.api.sensorthings.mqtt.telling import Subscription
from udp.api.sensorthings.mqtt.topics import TopicRefused
from udp.auth import KeyRefused, OutOfScope
from udp.errors import RegistryUnavailable, StoreUnavailable

_CONNECT_WITHIN_S = 10.0
_RECEIVE_MAXIMUM = 100
_MOST_REFUSALS = 20
_MOST_REFUSED_TOPICS = 200
_MOST_AUDITED = 100
_LAST_WORDS_WITHIN_S = 1.0
_KEY_ASKED_EVERY_S = 60.0
# Reasons of MQTT 5, and what 3.1.1 has instead in CONNACK.
BAD_KEY, NO_ONE, FULL, OVER, SLOW, SILENT, MANNERS = 0x86, 0x87, 0x97, 0x8B, 0x97, 0x8D, 0x96
_UNAVAILABLE, _NO_SUBSCRIPTION, _WITH_WILL = 0x88, 0x11, 4
_CONNACK_3 = {BAD_KEY: 4, NO_ONE: 5, 0x84: 1, 0x85: 2}


class Leave(Exception):
    """The server hangs up; MQTT 5 is told why."""

    def __init__(self, reason: int, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why


class Session:
    """Belongs to one event loop. What it answers and what it is told share one link."""

    def __init__(self, house: House, link: Link, origin: str) -> None:
        self._house, self._link = house, link
        self._settings = house.settings
        self._city = house.desk.ports.root.removeprefix("/")
        self._decoder = Decoder(self._settings.most_packet)
        self._turn = asyncio.Lock()
        self._leaving: asyncio.Future[Leave] = asyncio.get_running_loop().create_future()
        self._version = MQTT_3
        self._patience_s: float | None = _CONNECT_WITHIN_S
        self._will: Publish | None = None
        self._received: set[int] = set()
        self._refusals = 0
        self._reasons_wanted = True
        self._audited: set[str] = set()
        self.visitor = Visitor(origin)
        self.subscriptions: dict[str, Subscription] = {}
        self.outbox = Outbox(self._settings, MQTT_3, 1, None)

    def leave(self, reason: int, why: str) -> None:
        """Hang up soon; a second call changes nothing."""
        if not self._leaving.done():
            self._leaving.set_result(Leave(reason, why))

    def tell(self, one: Subscription, topic: str, payload: bytes) -> bool:
        """Put a message where it waits; False when there is no room."""
        if self.subscriptions.get(one.wish.written) is not one or self._leaving.done():
            return True
        if not self.outbox.put(topics.outside(topic, self._city), payload, one.qos):
            return False
        self._house.figures.sent += 1
        return True

    def too_slow(self) -> None:
        """The client has had its time: nobody waits for it."""
        self._house.figures.dropped["slow"] += 1
        self.leave(SLOW, "too much waits for you: ask /v1.1 what you missed, or subscribe to less")

    async def run(self) -> None:
        """Until either side ends it."""
        try:
            await self._converse()
        except Leave as end:
            await self._say_goodbye(end)
        except Unsupported as error:
            # 3.1.1, 3.1.2.2: told in the words that every version understands.
            self._refuse("connect", "", str(error))
            await self._say(packets.connack(MQTT_3, 1, {}))
        except Malformed as error:
            self._house.figures.dropped["malformed"] += 1
            await self._say_goodbye(Leave(error.reason, str(error)))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.subscriptions.clear()
            await self._link.close()
        if self._will is not None:
            with contextlib.suppress(Leave):
                await self._create(self._will)

    async def _converse(self) -> None:
        incoming = self._packets()
        first = await anext(incoming, None)
        if not isinstance(first, Connect):
            return
        await self._welcome(first)
        tasks: set[asyncio.Future[None]] = {
            asyncio.ensure_future(one) for one in (self._listen(incoming), self._speak(), self._ask_for_key())
        }
        try:
            ends: set[asyncio.Future[Any]] = {*tasks, self._leaving}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in tasks:
                one.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        if self._leaving.done():
            raise self._leaving.result()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _packets(self) -> AsyncIterator[Packet]:
        """As they come; Leave when the client is silent for too long."""
        while True:
            try:
                async with asyncio.timeout(self._patience_s):
                    part = await self._link.receive()
            except TimeoutError as error:
                self._house.figures.dropped["silent"] += 1
                raise Leave(SILENT, "nothing was heard from you for too long") from error
            if not part:
                return
            for packet in self._decoder.feed(part):
                yield packet

    async def _welcome(self, asked: Connect) -> None:
        """CONNACK, or Leave after it has said no."""
        self._version = asked.version
        told: dict[int, object] = {
            0x21: _RECEIVE_MAXIMUM, 0x25: 0, 0x27: self._settings.most_packet, 0x29: 0, 0x2A: 0,
        }  # fmt: skip
        longest = self._settings.longest_silence_s
        silence = asked.keep_alive_s or longest
        if asked.version == MQTT_5:
            silence = min(silence, longest)
            told |= {0x11: 0, 0x13: silence if silence != asked.keep_alive_s else None}
            told |= {0x12: None if asked.client else f"udp-{id(self):x}"}
        refusal = await self._refusal(asked)
        if refusal is not None:
            code = refusal.reason if asked.version == MQTT_5 else _CONNACK_3.get(refusal.reason, 3)
            await self._send(packets.connack(asked.version, code, {packets.REASON_TEXT: refusal.why}))
            raise Leave(0, "")
        self._patience_s = silence * 1.5
        self.outbox = Outbox(self._settings, asked.version, asked.receive_maximum, asked.most_packet)
        self._will, self._reasons_wanted = asked.will, asked.reasons_wanted
        await self._send(packets.connack(asked.version, 0, told))

    async def _refusal(self, asked: Connect) -> Leave | None:
        if asked.authentication:
            return Leave(0x8C, "enhanced authentication is not offered; send an API key as password")
        if asked.version == MQTT_3 and not asked.client and not asked.clean:
            return Leave(0x85, "a client without identifier starts clean")
        key = (asked.password or asked.username or "").strip() or None
        if key is None and not self._settings.anonymous:
            return Leave(NO_ONE, "send an API key as password")
        return await self._identify(key)

    async def _identify(self, key: str | None) -> Leave | None:
        origin = self.visitor.origin
        try:
            async with self._admitted(key):
                self.visitor = await self._house.run(creating.identify, self._house.desk, origin, key)
        except KeyRefused as error:
            self._refuse("connect", "", str(error))
            return Leave(BAD_KEY, str(error))
        except TooOften as error:
            return Leave(FULL, str(error))
        except RegistryUnavailable:
            return Leave(_UNAVAILABLE, "the register cannot be read now; try again later")
        return None

    @contextlib.asynccontextmanager
    async def _admitted(self, key: str | None) -> AsyncIterator[None]:
        """One request of an address without a key, by the same measure as over HTTP. TooOften."""
        visit = None
        if key is None:
            crowd = self._house.desk.crowd
            visit = await crowd.enter(self._link.peer or None, forwarded=self._link.forwarded)
        try:
            yield
        finally:
            if visit is not None:
                visit.leave()

    async def _listen(self, incoming: AsyncIterator[Packet]) -> None:
        async for packet in incoming:
            if isinstance(packet, Publish):
                await self._published(packet)
            elif isinstance(packet, Subscribe):
                await self._subscribe(packet)
            elif isinstance(packet, Unsubscribe):
                await self._unsubscribe(packet)
            elif isinstance(packet, Answer):
                await self._answered(packet)
            elif isinstance(packet, Sign):
                if packet.kind is Kind.DISCONNECT:
                    if packet.reason != _WITH_WILL:
                        self._will = None
                    return
                await self._send(packets.PINGRESP)

    async def _speak(self) -> None:
        while True:
            await self._send(await self.outbox.next())

    async def _ask_for_key(self) -> None:
        """A key may be revoked while its client is connected."""
        while True:
            await asyncio.sleep(_KEY_ASKED_EVERY_S)
            await self.look_at_key()

    async def look_at_key(self) -> None:
        """Hang up on whoever came with a key that opens nothing any more."""
        if self.visitor.key is None:
            return
        if not await self._house.run(creating.still_good, self._house.desk, self.visitor):
            self._will = None
            self.leave(NO_ONE, "your key opens nothing any more")

    async def _answered(self, packet: Answer) -> None:
        if packet.kind is Kind.PUBREL:
            self._received.discard(packet.number)
            await self._send(packets.answer(self._version, Answer(Kind.PUBCOMP, packet.number)))
        elif packet.kind is Kind.PUBACK:
            self.outbox.confirmed(packet.number)
        else:
            raise Malformed(f"{packet.kind.name}: nothing was sent with QoS 2", PROTOCOL_ERROR)

    async def _published(self, message: Publish) -> None:
        """Confirmed when it is on disk, or refused for good; what may be repeated is not confirmed."""
        answer = Kind.PUBACK if message.qos == 1 else Kind.PUBREC
        if message.qos == 2 and message.number in self._received:
            await self._send(packets.answer(self._version, Answer(answer, message.number)))
            return
        if len(self._received) >= _RECEIVE_MAXIMUM:
            raise Malformed("more messages with QoS 2 are on their way than the receive maximum", 0x93)
        refused = await self._create(message)
        reason, why = (refused.reason, str(refused)) if refused is not None else (0, "")
        if message.qos:
            if message.qos == 2 and (refused is None or self._version == MQTT_3):
                self._received.add(message.number)
            await self._send(
                packets.answer(self._version, Answer(answer, message.number, reason), self._said(why))
            )
        if refused is not None:
            self._count(_MOST_REFUSALS)

    def _count(self, most: int) -> None:
        """Leave for a client that is refused again and again: each time costs us more than it."""
        self._refusals += 1
        if self._refusals >= most:
            self._house.figures.dropped["refused"] += 1
            raise Leave(MANNERS, f"{self._refusals} wishes were refused; look at what you send")

    async def _create(self, message: Publish) -> Refused | None:
        house = self._house
        # Once per connection and topic.
        new = message.topic not in self._audited and len(self._audited) < _MOST_AUDITED
        create = partial(creating.create, house.desk, house.room, self.visitor, message, audited=new)
        try:
            async with self._admitted(self.visitor.key):
                await anyio.to_thread.run_sync(create, limiter=house.room.turn)
        except TooOften as error:
            raise Leave(FULL, str(error)) from error
        except Refused as error:
            self._refuse("publish", message.topic, str(error))
            return error
        except NotNow as error:
            self._refuse("publish now", message.topic, str(error))
            raise Leave(error.reason, "not now; send it again later") from error
        finally:
            house.desk.views.forget()
        if new:
            self._audited.add(message.topic)
        house.figures.created += 1
        return None

    async def _subscribe(self, packet: Subscribe) -> None:
        try:
            async with self._admitted(self.visitor.key):
                # One request, however many topics it names; what it costs in time counts for strangers.
                await self._house.run(creating.admit, self._house.desk, self.visitor)
                reasons, why = await self._granted(packet)
        except TooOften as error:
            reasons, why = [FULL] * len(packet.filters), str(error)
        self._house.subscribed()
        await self._send(packets.suback(self._version, packet.number, reasons, self._said(why)))

    async def _granted(self, packet: Subscribe) -> tuple[list[int], str]:
        """A reason per filter, and the first refusal in words."""
        reasons, why = [], ""
        for topic, qos in packet.filters:
            try:
                self.subscriptions[topic] = await self._subscription(topic, min(qos, 1))
                reasons.append(min(qos, 1))
            except TopicRefused as error:
                reasons.append(error.reason)
                why = why or str(error)
                self._refuse("subscribe", topic, str(error))
                self._count(_MOST_REFUSED_TOPICS)
        return reasons, why

    async def _subscription(self, topic: str, qos: int) -> Subscription:
        most = self._settings.most_subscriptions
        if topic not in self.subscriptions and len(self.subscriptions) >= most:
            raise TopicRefused(f"a client has {most} subscriptions at most", 0x97)
        wanted = topics.wish(topic, self._city)
        try:
            self.visitor.require(wanted.scope)
            return await self._house.subscription(wanted, qos, self.visitor.caller)
        except OutOfScope as error:
            raise TopicRefused(str(error), topics.NOT_AUTHORIZED) from error
        except (StoreUnavailable, RegistryUnavailable) as error:
            raise TopicRefused("not now; subscribe again later", 0x80) from error

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        known = [self.subscriptions.pop(one, None) is not None for one in packet.filters]
        reasons = [0 if one else _NO_SUBSCRIPTION for one in known]
        await self._send(packets.unsuback(self._version, packet.number, reasons))

    def _refuse(self, wanted: str, topic: str, why: str) -> None:
        figures, visitor = self._house.figures, self.visitor
        figures.refuse(Refusal(figures.now(), visitor.name, visitor.origin, wanted, plain(topic), plain(why)))

    def _said(self, why: str) -> str:
        """Nothing where the client does not want to hear reasons (MQTT 5.0, 3.1.2.11.7)."""
        return why if self._reasons_wanted else ""

    async def _send(self, packet: bytes) -> None:
        async with self._turn:
            await self._link.send(packet)

    async def _say_goodbye(self, end: Leave) -> None:
        """As far as a client that may not read can be told."""
        if end.reason:
            await self._say(packets.disconnect(self._version, end.reason, end.why))

    async def _say(self, last: bytes) -> None:
        try:
            async with asyncio.timeout(_LAST_WORDS_WITHIN_S):
                await self._send(last)
        except (OSError, TimeoutError):
            return
