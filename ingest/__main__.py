"""`udp-ingest`: receive, journal, confirm; and beside it bring the journal into store and ledger."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from edge.codecs.by_profile import codec_named
from edge.codecs.javascript import JavaScriptCodecs, JavaScriptSettings
from edge.lorawan.keyring import Keyring, SessionsFile
from edge.wire.identifiers import DevEUI
from edge.wire.settings import SettingsError, load, render
from ingest.command_line import arguments_of
from ingest.committer import Committer
from ingest.conditions import Conditions
from ingest.config import IngestSettings
from ingest.decode import PayloadDecoder
from ingest.deduplicate import Deduplicator
from ingest.doors import Doors
from ingest.follow import Follower
from ingest.foreign import preview, pullers, read_foreign, webhook_keys
from ingest.housekeeping import keep_house
from ingest.journal import JournalReader, JournalWriter, workers
from ingest.normalise import Bindings
from ingest.other_profile import find_profile, with_profile
from ingest.pipeline import Pipeline
from ingest.quality import QualityMemory
from ingest.recall import recall_before, recall_latest
from ingest.replay import Replay, Scope
from ingest.retiring import retire
from ingest.sessions import KeptSessions, Sessions, resume_counters
from ingest.sources.projects import ProjectDoors
from ingest.supervise import AlreadyRunning, Child, end_with_any_thread, exclusive
from udp.datasets.source import PolicyFile
from udp.errors import ConfigurationError, PlatformError
from udp.forecasting.sql import SqlForecasts
from udp.ledger.sql import SqlLedger
from udp.registry.port import Inventory
from udp.registry.sql import SqlRegistry
from udp.stopping import told_to_stop, when_parent_goes
from udp.store.opening import open_store

log = logging.getLogger("ingest")

_LOOK_BACK = timedelta(days=3)  # as far as stuck values are remembered over a restart
_RETRY_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it went well, 2 for a configuration that cannot be meant."""
    arguments = arguments_of(argv, description=__doc__, verbs=_VERBS)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    end_with_any_thread()
    try:
        settings = load(IngestSettings, arguments.config)
        return int(arguments.verb(settings, arguments))
    except (SettingsError, PlatformError, AlreadyRunning) as error:
        print(f"udp-ingest: {error}", file=sys.stderr)
        return 2


def _now() -> datetime:
    return datetime.now(UTC)


def _print_config(settings: IngestSettings, _arguments: argparse.Namespace) -> int:
    print(render(settings))
    return 0


def _check_config(settings: IngestSettings, arguments: argparse.Namespace) -> int:
    read_foreign(settings.foreign)
    print(f"{arguments.config}: configuration is fine")
    return 0


def _run(settings: IngestSettings, arguments: argparse.Namespace) -> int:
    stop = told_to_stop()
    directory = settings.journal.directory
    conditions = Conditions(settings.worker)
    with ExitStack() as stack:
        stack.enter_context(exclusive(directory / f"{settings.worker}.doors.lock", stop, wait=False))
        committer = Committer(JournalWriter(settings.journal, settings.worker, _now), settings.commit)
        committer.start()
        stack.callback(committer.close)
        projects = ProjectDoors(settings.projects, _now, time.monotonic)
        doors = Doors(committer, conditions, settings.worker, _now, projects)
        stack.callback(doors.close)
        mappings = read_foreign(settings.foreign)
        if settings.http.enabled:
            doors.open_http(settings.http, webhook_keys(settings.foreign, mappings))
        doors.open_mqtt(settings.mqtt)
        doors.open_things_stack(settings.things_stack)
        doors.open_projects(settings.registry)
        doors.open_pulls(pullers(settings.foreign, mappings, committer, directory, _now))
        doors.check_brokers(settings.mqtt, settings.broker_check)
        command = [sys.executable, "-m", "ingest", "pipeline", "--config", str(arguments.config)]
        pipeline = Child(command, lambda text: conditions.say("pipeline", text))
        supervisor = threading.Thread(target=pipeline.run, args=(stop,), name="pipeline")
        supervisor.start()
        stack.callback(supervisor.join)
        stack.callback(stop.set)
        _report_until(stop, doors, conditions, projects, settings)
    return 0


def _report_until(
    stop: threading.Event,
    doors: Doors,
    conditions: Conditions,
    projects: ProjectDoors,
    settings: IngestSettings,
) -> None:
    """The ledger may be away when we start: the doors must not care."""
    ledger = None
    while not stop.wait(_RETRY_S):
        doors.observe()
        try:
            ledger = ledger or SqlLedger(settings.ledger)
        except PlatformError as error:
            log.warning("%s; trying again", error)
            continue
        conditions.write_to(ledger)
        projects.write_to(ledger)
    if ledger is not None:
        ledger.close()


def _run_pipeline(settings: IngestSettings, _arguments: argparse.Namespace) -> int:
    stop = told_to_stop()
    when_parent_goes(stop.set)
    # Batches make many objects that live equally long: full collections find nothing and cost a tenth.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    with ExitStack() as stack:
        lock = settings.journal.directory / f"{settings.worker}.pipeline.lock"
        stack.enter_context(exclusive(lock, stop, wait=True))
        follower = _until_possible(lambda: _follower(settings, stack, stop), stop)
        if follower is not None:
            follower.run(stop)
    return 0


def _replay(settings: IngestSettings, arguments: argparse.Namespace) -> int:
    directory = settings.journal.directory
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(settings.store, _now)))
        ledger = stack.enter_context(closing(SqlLedger(settings.ledger)))
        registry = stack.enter_context(closing(SqlRegistry(settings.registry)))
        inventory, remarks = _bound_for_replay(registry.inventory(), settings, arguments)
        javascript = stack.enter_context(closing(JavaScriptCodecs(_codecs_for_replay(settings, arguments))))
        names = workers(directory)
        keyring = _keyring(settings)
        for name in names:
            KeptSessions(directory, name).load(keyring)
        if settings.sessions is not None:
            SessionsFile(settings.sessions, keyring, _now).refresh()
        resume_counters(keyring, ledger)
        pipeline = Pipeline(
            store=store,
            ledger=ledger,
            bindings=Bindings(inventory),
            keyring=keyring,
            decoder=PayloadDecoder(partial(codec_named, javascript=javascript.named), trust_edge=False),
            deduplicator=Deduplicator(ledger),  # not asked: a replay knows more than what is remembered
            memory=QualityMemory(recall_before(store, arguments.since, _LOOK_BACK)),
            quality=settings.quality,
            foreign=read_foreign(settings.foreign),
        )
        replay = Replay(
            pipeline=pipeline,
            store=store,
            ledger=ledger,
            waiting=ledger,
            now=_now,
            dry_run=arguments.dry_run,
            withdraw=arguments.withdraw_lost,
            remember=settings.remember,
            restarts=_restarts(settings, keyring, lambda: pipeline.bindings),
        )
        readers = [JournalReader(directory, name) for name in names]
        scope = Scope(arguments.since, arguments.until or _now(), arguments.device)
        summary = replay.run(readers, scope)
        print("\n".join(filter(None, (summary.report.text(inventory), *remarks))))
        print(summary.text(dry_run=arguments.dry_run))
    return 0


def _bound_for_replay(
    inventory: Inventory, settings: IngestSettings, arguments: argparse.Namespace
) -> tuple[Inventory, list[str]]:
    if arguments.profile is None:
        return inventory, []
    if not arguments.device:
        raise SettingsError("--profile needs --device: which devices are meant to be of that type?")
    profile, known = find_profile(arguments.profile, settings.javascript.directory)
    return with_profile(inventory, arguments.device, profile, known)


def _codecs_for_replay(settings: IngestSettings, arguments: argparse.Namespace) -> JavaScriptSettings:
    """A profile given as a file brings its codec file with it."""
    if arguments.profile is not None and arguments.profile.endswith(".toml"):
        return replace(settings.javascript, directory=Path(arguments.profile).parent)
    return settings.javascript


def _retire(settings: IngestSettings, arguments: argparse.Namespace) -> int:
    with ExitStack() as stack:
        ledger = stack.enter_context(closing(SqlLedger(settings.ledger)))
        reader = stack.enter_context(closing(JournalReader(settings.journal.directory, arguments.gone)))
        retire(ledger, reader)
    print(f"{arguments.gone} is retired; its journal stays for replays")
    return 0


def _pull(settings: IngestSettings, arguments: argparse.Namespace) -> int:
    mappings = read_foreign(settings.foreign)
    name = arguments.mapping or next(iter(mappings), "")
    if name not in mappings or (arguments.mapping is None and len(mappings) > 1):
        raise ConfigurationError(f"--mapping: say which of {', '.join(mappings) or 'none'} is meant")
    try:
        octets = arguments.check.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{arguments.check}: cannot be read: {error.strerror}") from error
    with closing(SqlRegistry(settings.registry)) as registry:
        lines, problems = preview(mappings[name], octets, Bindings(registry.inventory()), _now())
    print(f"{name}: {len(lines) - problems} values, {problems} refused")
    print("\n".join(lines))
    return 1 if problems else 0


def _until_possible(build: Callable[[], Follower], stop: threading.Event) -> Follower | None:
    """Store, ledger and register may come up later than we do."""
    said = ""
    while not stop.is_set():
        try:
            return build()
        except PlatformError as error:
            if str(error) != said:
                log.error("%s; trying again, the journal keeps everything", error)  # noqa: TRY400
                said = str(error)
            stop.wait(_RETRY_S)
    return None


def _follower(settings: IngestSettings, stack: ExitStack, stop: threading.Event) -> Follower:
    policy = PolicyFile(settings.policy)
    with ExitStack() as attempt:
        store = attempt.enter_context(closing(open_store(settings.store, _now)))
        ledger = attempt.enter_context(closing(SqlLedger(settings.ledger)))
        registry = attempt.enter_context(closing(SqlRegistry(settings.registry)))
        forecasts = attempt.enter_context(closing(SqlForecasts(settings.forecasts_address())))
        javascript = attempt.enter_context(closing(JavaScriptCodecs(settings.javascript)))
        keyring = _keyring(settings)
        file = None if settings.sessions is None else SessionsFile(settings.sessions, keyring, _now)
        kept = KeptSessions(settings.journal.directory, settings.worker)
        pipeline = Pipeline(
            store=store,
            ledger=ledger,
            bindings=Bindings(registry.inventory()),
            keyring=keyring,
            decoder=PayloadDecoder(partial(codec_named, javascript=javascript.named)),
            deduplicator=Deduplicator(
                ledger,
                shared=settings.shared_ledger,
                restarts=_restarts(settings, keyring, lambda: pipeline.bindings),
            ),
            memory=QualityMemory(recall_latest(store, _LOOK_BACK)),
            quality=settings.quality,
            foreign=read_foreign(settings.foreign),
        )
        follower = Follower(
            reader=JournalReader(settings.journal.directory, settings.worker),
            pipeline=pipeline,
            ledger=ledger,
            registry=registry,
            sessions=Sessions(file, keyring, kept, ledger),
            settings=settings.pipeline,
            worker=settings.worker,
            now=_now,
        )
        housekeeping = threading.Thread(
            target=keep_house,
            args=(store, ledger, registry, settings.journal.directory, settings.remember),
            kwargs={
                "worker": settings.worker,
                "policy": policy,
                "forecasts": forecasts,
                "now": _now,
                "stop": stop,
            },
            name="housekeeping",
        )
        housekeeping.start()
        stack.push(attempt.pop_all())
        stack.callback(housekeeping.join)
        stack.callback(stop.set)
        return follower


def _keyring(settings: IngestSettings) -> Keyring:
    """Behind a spool that sends history last any distance is honest, and sessions are as old as uplinks."""
    return Keyring(reordering=None, keep_replaced=settings.remember)


def _restarts(
    settings: IngestSettings, keyring: Keyring, bindings: Callable[[], Bindings]
) -> Callable[[str], bool]:
    named = {str(DevEUI.parse(one)) for one in settings.counter_resets}
    return lambda one: one in named or one in keyring.restarting or one in bindings().restarting


_VERBS = {
    "run": _run,
    "check-config": _check_config,
    "print-config": _print_config,
    "pipeline": _run_pipeline,
    "replay": _replay,
    "pull": _pull,
    "retire": _retire,
}


if __name__ == "__main__":
    sys.exit(main())
