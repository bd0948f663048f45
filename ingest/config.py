"""Everything `udp-ingest` can be told, in one file; `udp-ingest print-config` shows what is in force.

    worker = "ingest-1"                     # names the journal and the MQTT session; unique per worker
    registry = "sqlite:///var/registry.sqlite"
    ledger = "sqlite:///var/ledger.sqlite"
    sessions = "var/secrets/sessions.toml"  # LoRaWAN sessions for frames the edge has no key for
    [journal]
    directory = "var/journal"
    [[mqtt]]
    broker = { host = "127.0.0.1", port = 1883, username = "ingest", password = { file = "..." } }
    topics = ["udp/v1/+/up"]              # one session for agents and one for network servers:
    [[mqtt]]                                # what agents repeat must not crowd out what comes once
    broker = { host = "127.0.0.1", port = 1883, username = "ingest", password = { file = "..." } }
    topics = ["application/+/device/+/event/+"]
    [http]
    port = 8081
    agents = [{ agent = "crx-gw-1", token = { file = "..." } }]
    [projects]                              # citizens' sensors; their keys stand in the register
    key = { file = "..." }                  # the one the API seals with: to fetch from TTN by MQTT
    [[foreign]]                             # a foreign platform: webhook /webhook/<name> or timed pull
    mapping = "etc/sensor-community.toml"
    [javascript]
    directory = "var/codecs"                # codec files of makers, named by profiles (`maker/device.js`)
    [store]
    kind = "embedded"

Several workers: give each its own `worker`, all the same `[[mqtt]] share`, one PostgreSQL `ledger`
and `registry`, and set `shared_ledger = true` (who finds another worker in the ledger behaves so
anyway): the ledger then decides which of two workers heard an uplink first. A worker that is taken
out of service is stopped when its share of the queue is empty, and then named to `udp-ingest retire`:
what the broker keeps for a session that does not come back waits until its expiry (`session_expiry`,
14 days) and is gone then. Agents send again what has no receipt; network servers do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from edge.codecs.javascript import JavaScriptSettings
from edge.wire.identifiers import DevEUI
from edge.wire.topics import agent_name
from ingest.broker_check import BrokerCheckSettings
from ingest.committer import CommitSettings
from ingest.follow import FollowSettings
from ingest.foreign import ForeignSettings
from ingest.journal import JournalSettings
from ingest.quality import QualitySettings
from ingest.sources.http import HttpSettings
from ingest.sources.mqtt import MqttSettings
from ingest.sources.projects import ProjectSettings
from ingest.sources.things_stack_mqtt import ThingsStackSettings
from udp.forecasting.placing import beside
from udp.store.opening import StoreSettings


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """One ingest worker.

    `policy`: the city's policy.toml, for how long things are kept.
    `forecasts`: where the models keep theirs, beside the registry unless told; they grow old as values do.
    `remember`: how long uplinks are recognised and sessions kept; longer than any agent's spool.
    `counter_resets`: DevEUIs of devices (ABP) that count from 0 again when their battery is changed,
    like `counter_reset = true` in the sessions file, for devices whose sessions a network server
    holds (there it is called `skip_fcnt_check` or "resets frame counters"). Their recorded frames
    can be sent again by anybody.
    """

    worker: str = "ingest-1"
    registry: str = "sqlite:///var/registry.sqlite"
    ledger: str = "sqlite:///var/ledger.sqlite"
    forecasts: str = ""
    shared_ledger: bool = False
    remember: timedelta = timedelta(days=60)
    sessions: Path | None = None
    counter_resets: tuple[str, ...] = ()
    journal: JournalSettings = field(default_factory=JournalSettings)
    commit: CommitSettings = field(default_factory=CommitSettings)
    mqtt: tuple[MqttSettings, ...] = ()
    things_stack: tuple[ThingsStackSettings, ...] = ()
    http: HttpSettings = field(default_factory=HttpSettings)
    projects: ProjectSettings = field(default_factory=ProjectSettings)
    foreign: tuple[ForeignSettings, ...] = ()
    broker_check: BrokerCheckSettings = field(default_factory=BrokerCheckSettings)
    pipeline: FollowSettings = field(default_factory=FollowSettings)
    javascript: JavaScriptSettings = field(default_factory=JavaScriptSettings)
    policy: Path | None = None
    quality: QualitySettings = field(default_factory=QualitySettings)
    store: StoreSettings = field(default_factory=StoreSettings)

    def __post_init__(self) -> None:
        agent_name(self.worker)
        for one in self.counter_resets:
            DevEUI.parse(one)
        if self.remember < timedelta(days=7):
            raise ValueError("remember is shorter than 7 days: an agent's spool may reach back longer")

    def forecasts_address(self) -> str:
        """Where the models' forecasts are, for the driver only."""
        return self.forecasts or beside(self.registry)
