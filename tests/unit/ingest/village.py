"""A citizen's project from the register to the store: real doors, journal, pipeline and ledger."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from loopback import free_port

from edge.lorawan.keyring import Keyring
from edge.wire.settings import Secret
from ingest.committer import CommitSettings, Committer
from ingest.conditions import Conditions
from ingest.decode import PayloadDecoder
from ingest.deduplicate import Deduplicator
from ingest.doors import Doors
from ingest.follow import Follower, FollowSettings
from ingest.journal import Entry, JournalReader, JournalSettings, JournalWriter
from ingest.normalise import Bindings
from ingest.pipeline import Pipeline
from ingest.quality import QualityMemory, QualitySettings
from ingest.recall import recall_latest
from ingest.sessions import KeptSessions, Sessions
from ingest.sources.http import HttpSettings, SourceKey
from ingest.sources.projects import ProjectDoors, ProjectMqttSettings, ProjectSettings
from udp.citizens import consent
from udp.citizens.application import Application, NamedDevice
from udp.citizens.choices import current_offer
from udp.citizens.project import Project
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.devices.vault import Vault, new_key
from udp.ledger.sql import SqlLedger
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

from .conftest import DevEUI

MINE = DevEUI.parse("70B3D57ED0000001")
NEIGHBOURS = DevEUI.parse("70B3D57ED0000002")
PER_MINUTE = 12


def now() -> datetime:
    return datetime.now(UTC)


def eventually(fact: Callable[[], Any], within_s: float = 60.0) -> Any:
    """The fact once it is true; what must happen is waited for, however busy the machine."""
    until = time.monotonic() + within_s
    while not (found := fact()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
    return found


def ttn_uplink(
    f_cnt: int, *, dev_eui: DevEUI = MINE, decoded: dict[str, Any] | None = None, payload: bytes = b"\x00"
) -> dict[str, Any]:
    """As The Things Stack v3 sends it."""
    at = now().isoformat().replace("+00:00", "Z")
    return {
        "end_device_ids": {
            "device_id": "balkon", "application_ids": {"application_id": "mein-balkon"},
            "dev_eui": str(dev_eui), "dev_addr": "260B1234",
        },
        "received_at": at,
        "uplink_message": {
            "session_key_id": "AYfFzkGl0ReoFFqDEwSvYw==", "f_port": 1, "f_cnt": f_cnt,
            "frm_payload": base64.b64encode(payload).decode(),
            "decoded_payload": {"temperatur": 21.5, "luft": {"feuchte": 48}} if decoded is None else decoded,
            "rx_metadata": [{"gateway_ids": {"gateway_id": "nachbars-gateway"}, "rssi": -97, "snr": 7.5}],
            "received_at": at,
        },
    }  # fmt: skip


def drain(follower: Follower) -> None:
    """Handle what is journalled, in this thread, and look at the register once before."""
    follower._refresh(None)
    place, moved = follower._step(None)
    while moved:
        place, moved = follower._step(place)


class Village:
    """One approved project and everything its packets pass."""

    def __init__(self, folder: Path, mqtt: ProjectMqttSettings | None = None) -> None:
        key = Secret(new_key())
        self.ahead = timedelta(0)
        self.url = f"sqlite:///{folder}/registry.sqlite"
        self.registry = SqlRegistry(self.url)
        self.projects = CitizenProjects(self.registry.database, CitizenSettings(), Vault(key), now)
        self.project = self.approved(MINE)
        self.ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
        self.store = open_store(StoreSettings(embedded=EmbeddedSettings(folder=folder / "store")), self.now)
        self.folder = folder
        journal = JournalSettings(directory=folder / "journal", keep_free_bytes=0)
        self.reader = JournalReader(journal.directory, "w")
        self.committer = Committer(JournalWriter(journal, "w", now), CommitSettings())
        self.committer.start()
        settings = ProjectSettings(
            key=key,
            refresh=timedelta(milliseconds=50),
            per_minute=PER_MINUTE,
            mqtt=mqtt or ProjectMqttSettings(enabled=False),
        )
        # The clock of the allowances stands: what a slow machine sends meanwhile wins nothing.
        self.project_doors = ProjectDoors(settings, now, lambda: 0.0)
        self.doors = Doors(self.committer, Conditions("w"), "w", now, self.project_doors)
        http = HttpSettings(port=free_port(), things_stack=(SourceKey("stadt", Secret("city-key")),))
        self.doors.open_http(http)
        self.doors.open_projects(self.url)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{http.port}", timeout=60)
        self.follower = self._follower()

    def now(self) -> datetime:
        """The clock of those who delete."""
        return now() + self.ahead

    def approved(self, dev_eui: DevEUI) -> Project:
        application = Application(
            "Balkon", "Erika Geheim", "erika@beispiel.de", 51.58, 7.35, False, "ickern", "Ickern",
            "formatter", (NamedDevice(dev_eui, ""),),
            {"temperatur": "air_temperature", "luft.feuchte": "relative_humidity"},
            600.0, "dl-de/zero-2-0", consent.VERSION,
        )  # fmt: skip
        project, _ = self.projects.apply(application)
        return self.projects.approve(project.slug, current_offer(load_profiles(), self.registry.inventory()))

    def post(self, body: object, key: str, project: str = "") -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/things-stack/{project or self.project.slug}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.client.post(path, content=content, headers=headers)

    def key(self) -> str:
        """A fresh key, once the doors know it."""
        key = self.projects.new_webhook_key(self.project.slug)
        held = self.projects.doors()
        eventually(lambda: sorted(self.project_doors.doors.values(), key=repr) == sorted(held, key=repr))
        return key

    def settle(self) -> None:
        """Everything journalled is handled, everything noted is written."""
        drain(self.follower)
        self.project_doors.write_to(self.ledger)

    def outcomes(self, project: str = "") -> list[str]:
        """Oldest first."""
        return [one.outcome.value for one in self.ledger.packets(project or self.project.slug, 20)][::-1]

    def counted(self) -> dict[tuple[str, str], int]:
        return {(one.project, one.outcome.value): one.count for one in self.ledger.report().packets}

    def journalled(self) -> list[Entry]:
        return [entry for name in self.reader.names() for entry in self.reader.read(name, 0, 1000)]

    def values(self) -> list[float]:
        return sorted(self.store.latest().result.tolist())

    def close(self) -> None:
        self.client.close()
        self.doors.close()
        self.committer.close()
        self.reader.close()
        self.store.close()
        self.ledger.close()
        self.registry.close()

    def pipeline(self) -> Pipeline:
        def none(name: str) -> Any:
            raise LookupError(name)

        return Pipeline(
            store=self.store,
            ledger=self.ledger,
            bindings=Bindings(self.registry.inventory()),
            keyring=Keyring(reordering=None),
            decoder=PayloadDecoder(none),
            deduplicator=Deduplicator(self.ledger),
            memory=QualityMemory(recall_latest(self.store, timedelta(days=3))),
            quality=QualitySettings(),
        )

    def _follower(self) -> Follower:
        sessions = Sessions(None, Keyring(), KeptSessions(self.folder / "journal", "w"), self.ledger)
        return Follower(
            reader=self.reader, pipeline=self.pipeline(), ledger=self.ledger, registry=self.registry,
            sessions=sessions, settings=FollowSettings(), worker="w", now=now,
        )  # fmt: skip
