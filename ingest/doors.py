"""Every door of one worker in one process: open them together, close them in the order that loses nothing."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

import uvicorn

from edge.wire.broker import SessionSettings
from edge.wire.session import Session
from ingest.broker_check import BrokerCheckSettings, DropWatch, try_broker
from ingest.committer import Committer
from ingest.conditions import Conditions
from ingest.puller import Puller
from ingest.register_watch import watch_register
from ingest.sources.http import HttpDoor, HttpSettings, SourceKey
from ingest.sources.mqtt import MessageSource, MqttSettings, pass_on
from ingest.sources.projects import ProjectDoors, ProjectSettings
from ingest.sources.projects_mqtt import ProjectSessions
from ingest.sources.things_stack_mqtt import ThingsStackSession, ThingsStackSettings
from udp.devices.vault import Vault
from udp.errors import ConfigurationError
from udp.framing import Unambiguous

log = logging.getLogger(__name__)

_BACKLOG = 128
_REMEMBERED_S = 900.0  # what was lost is said for so long; the figure stays


class Watched:
    """A session and what is wrong with it at the moment."""

    def __init__(self, subject: str, session: Session) -> None:
        self.subject = subject
        self.session = session
        self.dropped = 0
        self._dropped_at = float("-inf")

    def text(self, moment: float) -> str:
        """What is wrong at `moment` (seconds of a monotonic clock); empty when all is well."""
        if self.session.dropped > self.dropped:
            self.dropped, self._dropped_at = self.session.dropped, moment
        if self.session.connection is None:
            why = f"it {self.session.trouble}" if self.session.trouble else "see ingest's log"
            return f"{self.subject} is not connected: {why}"
        if moment - self._dropped_at < _REMEMBERED_S:
            return (
                f"{self.subject}: {self.dropped} messages came faster than they could be taken and are lost; "
                "have them published with QoS 1"
            )
        return ""


class Doors:
    """Opens doors on `committer`; `close` lets what is under way be answered first."""

    def __init__(
        self,
        committer: Committer,
        conditions: Conditions,
        worker: str,
        now: Callable[[], datetime],
        projects: ProjectDoors | None = None,
    ) -> None:
        """`projects`: keys and limits of citizens' projects; without them none may come in."""
        self._projects = projects or ProjectDoors(ProjectSettings(enabled=False), now, time.monotonic)
        self._committer = committer
        self._conditions = conditions
        self._worker = worker
        self._now = now
        self._stop = threading.Event()
        self._opened = ExitStack()
        self._watched: list[Watched] = []

    def open_mqtt(self, settings: Sequence[MqttSettings]) -> None:
        """A persistent session per entry: the broker bounds the queue of each apart."""
        for number, one in enumerate(settings):
            suffix = f"-{number}" if number else ""
            session = Session(
                one.broker, client_id=f"udp-ingest-{self._worker}{suffix}", subscriptions=one.subscriptions()
            )
            session.start()
            self._opened.callback(session.close)
            self._pass_on(session, f"mqtt-{number}")
            self._watched.append(Watched(f"mqtt {where(one.broker)}{suffix}", session))

    def open_things_stack(self, settings: Sequence[ThingsStackSettings]) -> None:
        """A connection per MQTT server of The Things Stack."""
        for number, one in enumerate(settings):
            session = ThingsStackSession(one, f"udp-ingest-{self._worker}-tts-{number}")
            session.start()
            self._opened.callback(session.close)
            self._pass_on(session, f"things-stack-{number}")
            self._watched.append(Watched(f"things stack {where(one.broker)}", session))

    def open_http(self, settings: HttpSettings, foreign: Sequence[SourceKey] = ()) -> None:
        """The HTTP door; ConfigurationError if its port is taken. `foreign`: as HttpDoor."""
        listener = _listen(settings)
        config = uvicorn.Config(
            HttpDoor(settings, self._committer, self._projects, self._now, foreign),
            http=Unambiguous, log_config=None, access_log=False, lifespan="off", backlog=_BACKLOG,
            server_header=False, timeout_graceful_shutdown=10,
            ssl_certfile=settings.certificate_file, ssl_keyfile=settings.key_file,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
        thread.start()

        def close() -> None:
            server.should_exit = True
            thread.join()
            listener.close()

        self._opened.callback(close)
        log.info("HTTP door at http://%s:%d", settings.host, settings.port)

    def open_pulls(self, pullers: Sequence[Puller]) -> None:
        """A thread per foreign platform that is asked."""
        for number, one in enumerate(pullers):
            thread = threading.Thread(
                target=one.run, args=(self._conditions, self._stop), name=f"pull-{number}", daemon=True
            )
            thread.start()
            self._opened.callback(thread.join)

    def open_projects(self, registry: str) -> None:
        """Let citizens' projects in as the register says, now and later."""
        settings = self._projects.settings
        if not settings.enabled:
            return
        vault = None if settings.key is None else Vault(settings.key)
        sessions = ProjectSessions(self._projects, self._committer, self._worker, vault, self._now)
        thread = threading.Thread(
            target=watch_register,
            args=(registry, self._projects, sessions, self._now, self._stop),
            name="projects",
        )
        thread.start()
        self._opened.callback(thread.join)

    def check_brokers(self, settings: Sequence[MqttSettings], check: BrokerCheckSettings) -> None:
        """Try each broker once now and regularly, beside the work, however many sessions it has."""
        if not check.enabled:
            return
        for number, broker in enumerate({where(one.broker): one.broker for one in settings}.values()):
            thread = threading.Thread(
                target=self._check_broker, args=(broker, check), name=f"check-{number}", daemon=True
            )
            thread.start()
            watch = DropWatch(
                broker,
                f"udp-dropwatch-{self._worker}-{number}",
                lambda count: self._conditions.figure("broker_dropped_total", count),
            )
            watch.start()
            self._opened.callback(watch.close)

    def observe(self) -> None:
        """Note what is wrong at the moment."""
        self._conditions.say("journal", self._committer.trouble)
        for one in self._watched:
            self._conditions.say(one.subject, one.text(time.monotonic()))
        # In whole megabytes: a figure that never stands still would be written all the time.
        waiting = sum(one.session.waiting_bytes for one in self._watched) // 1_000_000
        self._conditions.figure("receive_queue_mb", waiting)
        self._conditions.figure("receive_queue_dropped_total", sum(one.dropped for one in self._watched))

    def close(self) -> None:
        """Take nothing more, answer what is under way, say goodbye."""
        self._stop.set()
        self._opened.close()

    def _pass_on(self, source: MessageSource, name: str) -> None:
        thread = threading.Thread(
            target=pass_on, args=(source, self._committer, self._now, self._stop), name=name, daemon=True
        )
        thread.start()
        self._opened.callback(thread.join)  # before the session closes: what is durable is acknowledged

    def _check_broker(self, broker: SessionSettings, check: BrokerCheckSettings) -> None:
        pause = timedelta(seconds=1)  # the first time soon: whoever starts a platform looks at its log
        while not self._stop.wait(pause.total_seconds()):
            verdict = try_broker(broker, check, self._worker)
            text = verdict.text(where(broker))
            if verdict.missing:
                log.error("%s", text)
            elif text:
                log.warning("%s", text)
            if not verdict.trouble:
                self._conditions.figure("broker_drops_messages", int(verdict.missing > 0))
            self._conditions.say(f"broker {where(broker)}", text)
            pause = check.every if not verdict.trouble else min(check.every, timedelta(minutes=1))


def where(broker: SessionSettings) -> str:
    """Host and port, for people."""
    return f"{broker.host}:{broker.port}"


def _listen(settings: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)  # from here on callers wait, also while the server is starting
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"HTTP door {settings.host}:{settings.port} cannot be opened ({error.strerror}): set another "
            "port (`port` in [http], UDP_INGEST_PORT for `make run`) or stop what listens there"
        ) from error
    return listener
