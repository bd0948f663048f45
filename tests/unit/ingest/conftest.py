"""A small city behind a real journal, a real store and a real ledger, in tmp_path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.codecs.port import CodecError, Decoded
from edge.lorawan.keyring import Keyring
from edge.lorawan.sessions import Session
from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.instants import instant, microseconds
from edge.wire.messages import Clock, Envelope, Frame, Message, Reception, Record, Uplink
from ingest.decode import PayloadDecoder
from ingest.deduplicate import Deduplicator
from ingest.follow import Follower, FollowSettings
from ingest.journal import Delivery, Entry, JournalReader, JournalSettings, JournalWriter
from ingest.normalise import Bindings
from ingest.pipeline import Pipeline
from ingest.quality import QualityMemory, QualitySettings
from ingest.recall import recall_latest
from ingest.sessions import KeptSessions, Sessions
from udp.ledger.sql import SqlLedger
from udp.registry.port import Channel, Device, Inventory, Registry, WiredSensor
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BIN = DevEUI(bytes.fromhex("0102030405060708"))
STRANGER = DevEUI(bytes.fromhex("FFFFFFFFFFFFFF01"))
LEVEL, BATTERY, WEATHER, HEARD = 11, 12, 21, 31


def two_numbers(payload: bytes, f_port: int, received_at: datetime) -> Decoded:
    """Test codec: a distance in mm and a voltage in 0.1 V."""
    if len(payload) != 3:
        raise CodecError(f"3 bytes expected, {len(payload)} came")
    level = int.from_bytes(payload[:2], "big")
    return Decoded((Record({"level": level, "battery": payload[2] / 10, "mode": "auto"}),))


def inventory(*, version: int = 1, scale: float = 1.0, extra: Sequence[Device] = ()) -> Inventory:
    """One bin with two channels, one pole's weather, one gateway's statistics."""
    level = Channel(LEVEL, "level", scale, 0.0, 0.0, 5_000.0, 2_000.0, 86_400.0)
    battery = Channel(BATTERY, "battery")
    devices = (Device(BIN, "behaelter-1", "test", "two-numbers", (level, battery), 3600.0), *extra)
    wired = (
        WiredSensor(
            "crx-pole-1", "weather", "pole-1", (Channel(WEATHER, "air_temperature", 1.0, 0.0, -40, 60),)
        ),
        WiredSensor("crx-gw-1", "gateway", "gw-1", (Channel(HEARD, "packets_received"),)),
    )
    return Inventory(
        version, {}, {}, {d.dev_eui: d for d in devices}, {(w.agent, w.sensor): w for w in wired}
    )


def uplink(
    f_cnt: int = 1,
    *,
    dev_eui: DevEUI = BIN,
    at: datetime = NOW,
    level: int = 640,
    gateway: int = 1,
    records: tuple[Record, ...] | None = None,
    codec: str | None = None,
    payload: bytes | None = None,
    f_port: int = 2,
) -> Uplink:
    """An uplink as an edge agent says it."""
    return Uplink(
        dev_eui=dev_eui, session=b"\x26\x01\x1b\xda", f_cnt=f_cnt, f_port=f_port,
        payload=level.to_bytes(2, "big") + b"\x24" if payload is None else payload,
        received_at=at, clock=Clock.NTP,
        receptions=(Reception(GatewayEUI(gateway.to_bytes(8, "big")), f"gw-{gateway}", at, -97.0, 7.5),),
        records=records, codec=codec,
    )  # fmt: skip


def envelope(*messages: Message, agent: str = "crx-gw-1", sequence: int = 1, floor: int = 1) -> bytes:
    """The bytes an agent sends."""
    return cbor.encode(Envelope(agent, b"spool-01", sequence, floor, NOW, messages))


def delivery(
    octets: bytes, *, way: str = "edge", origin: str = "udp/v1/crx-gw-1/up", at: datetime = NOW
) -> Delivery:
    """As a door hands it to the journal."""
    return Delivery(microseconds(at), way, origin, "", octets)


def frame_of(octets: bytes, at: datetime = NOW) -> Frame:
    """What an edge agent says that holds no key."""
    return Frame(octets, at, Clock.NTP, (Reception(GatewayEUI(bytes(8)), "gw-1", at, -90.0, 3.0),))


def data_up(session: Session, f_cnt: int, payload: bytes) -> bytes:
    """LoRaWAN L2 1.0.4, 4.3 and 4.4, spelt out with the cipher alone."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.cmac import CMAC

    address, counter = session.dev_addr[::-1], f_cnt.to_bytes(4, "little")
    block = b"\x01" + bytes(4) + b"\x00" + address + counter + b"\x00\x01"
    stream = Cipher(algorithms.AES(session.app_s_key), modes.ECB()).encryptor().update(block)
    body = (
        b"\x40"
        + address
        + b"\x00"
        + counter[:2]
        + b"\x02"
        + bytes(a ^ b for a, b in zip(payload, stream, strict=False))
    )
    cmac = CMAC(algorithms.AES(session.nwk_s_key))
    cmac.update(b"\x49" + bytes(4) + b"\x00" + address + counter + b"\x00" + bytes([len(body)]) + body)
    return body + cmac.finalize()[:4]


class World:
    """Journal, store, ledger and the pipeline between them; `restart` is what a crash leaves."""

    def __init__(self, folder: Path, inventory: Inventory) -> None:
        self.folder = folder
        self.inventory = inventory
        self.journal = JournalSettings(directory=folder / "journal", keep_free_bytes=0)
        self.writer = JournalWriter(self.journal, "w", lambda: NOW)
        self.reader = JournalReader(self.journal.directory, "w")
        self.store = open_store(
            StoreSettings(embedded=EmbeddedSettings(folder=folder / "store")), lambda: NOW
        )
        self.now = NOW
        self.ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite", now=lambda: self.now)
        self.counter_resets: set[str] = set()
        self.keyring = Keyring(reordering=None)
        self.codec: Callable[[bytes, int, datetime], Decoded] = two_numbers
        self.pipeline = self.new_pipeline()

    def new_pipeline(
        self, *, store: object = None, ledger: object = None, trust_edge: bool = True, shared: bool = False
    ) -> Pipeline:
        return Pipeline(
            store=store or self.store,  # type: ignore[arg-type]
            ledger=ledger or self.ledger,  # type: ignore[arg-type]
            bindings=Bindings(self.inventory),
            keyring=self.keyring,
            decoder=PayloadDecoder(self.codec_named, trust_edge=trust_edge),
            deduplicator=Deduplicator(
                self.ledger,
                shared=shared,
                restarts=lambda one: (
                    one in self.counter_resets
                    or one in self.keyring.restarting
                    or one in self.pipeline.bindings.restarting
                ),
            ),
            memory=QualityMemory(recall_latest(self.store, timedelta(days=3))),
            quality=QualitySettings(),
        )

    def codec_named(self, name: str) -> Callable[[bytes, int, datetime], Decoded]:
        if name != "two-numbers":
            raise LookupError(name)
        return self.codec

    def follower(self, registry: Registry, sessions: Sessions | None = None) -> Follower:
        """The loop of the pipeline's process."""
        kept = KeptSessions(self.folder, "w")
        return Follower(
            reader=self.reader.another(),  # it runs in a thread of its own
            pipeline=self.pipeline,
            ledger=self.ledger,
            registry=registry,
            sessions=sessions or Sessions(None, self.keyring, kept, self.ledger),
            settings=FollowSettings(poll=timedelta(milliseconds=2), refresh=timedelta(milliseconds=5)),
            worker="w",
            now=lambda: NOW,
        )

    def restart(self) -> None:
        self.pipeline = self.new_pipeline()

    def hear(self, *deliveries: Delivery) -> None:
        self.writer.append(deliveries)

    def catch_up(self, pipeline: Pipeline | None = None, batch: int = 2_000) -> None:
        for name in self.reader.names():
            while entries := self.waiting(name, batch):
                (pipeline or self.pipeline).handle(name, entries)

    def waiting(self, name: str, batch: int = 2_000) -> list[Entry]:
        return self.reader.read(name, self.ledger.cursor(name), batch)

    def take(self, *octets: bytes) -> None:
        """Envelopes of gateway 1, heard and handled."""
        self.hear(*(delivery(one) for one in octets))
        self.catch_up()

    def values(self, datastream: int = LEVEL) -> list[tuple[datetime, float]]:
        found = self.everything(datastream)
        times = found.phenomenon_time.astype("int64").tolist()
        return [(instant(time), value) for time, value in zip(times, found.result.tolist(), strict=True)]

    def everything(self, datastream: int = LEVEL) -> Observations:
        from udp.store.columns import Period

        return self.store.read(
            [datastream], Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        )

    def counter(self, name: str) -> int:
        return self.ledger.report().counters.get(name, 0)

    def close(self) -> None:
        self.writer.close()
        self.reader.close()
        self.store.close()
        self.ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, inventory())
    yield made
    made.close()
