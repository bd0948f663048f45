"""`udp policy ...`: what the policy says, whether it can be meant, and what a changed one would change."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from udp.config import Settings
from udp.datasets.model import Dataset, Policy, Retention, Rule, Selector
from udp.datasets.reading import read_policy
from udp.errors import RegistryUnavailable
from udp.policy import PUBLIC, Gate
from udp.registry.port import Inventory
from udp.registry.sql import SqlRegistry

_ACCESS = {"open": "offen", "internal": "intern", "restricted": "gesperrt"}


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`policy` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("policy")
    actions = group.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", parents=[shared], help="jeden Fehler mit Stelle und Abhilfe nennen")
    check.add_argument("file", type=Path, nargs="?", help="diese Datei; sonst die geltende")
    show = actions.add_parser("show", parents=[shared], help="zeigen, was gilt")
    show.add_argument("--series", action="store_true", help="jede Messreihe einzeln, mit Grund")
    diff = actions.add_parser("diff", parents=[shared], help="was eine geänderte Datei ändern würde")
    diff.add_argument("file", type=Path, help="die geänderte Datei")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: `check` found series without an entry, or `diff` found differences."""
    return {"check": _check, "show": _show, "diff": _diff}[given.action](config, given)


def _check(config: Settings, given: argparse.Namespace) -> int:
    policy = read_policy(given.file or config.policy)
    inventory = _inventory(config)
    _say(f"{policy.name}: in Ordnung, {len(policy.datasets)} Datensätze")
    if inventory is None:
        _say("Das Stadtverzeichnis ist nicht lesbar; ob jede Messreihe einen Eintrag hat, bleibt offen.")
        return 0
    rules = Gate(policy).rules(inventory)
    without = [one.stream for one, rule in rules.values() if rule is None]
    for stream in without:
        _say(f"ohne Eintrag, wird nicht veröffentlicht: {stream.thing}/{stream.key}")
    for dataset in policy.datasets:
        if inventory.datastreams and not any(dataset.holds(one) for one, _ in rules.values()):
            _say(f"Hinweis: zu {dataset.key!r} gehört zurzeit keine Messreihe")
    return 1 if without else 0


def _show(config: Settings, given: argparse.Namespace) -> int:
    policy, inventory = read_policy(config.policy), _inventory(config) or _nothing()
    gate = Gate(policy)
    public = gate.admit(inventory, PUBLIC).datastreams
    if given.series:
        for line in _series(gate, inventory):
            _say(line)
        return 0
    _say(f"Datei: {policy.name}\nJournal: {_long(policy.journal_kept())}")
    _say(f"Zugriffsprotokoll: {_long(policy.audit_kept)}")
    opened = "öffentlich" if policy.weather_open else "nicht öffentlich"
    _say(f"Wettervorhersagen: {_long(policy.weather_kept)}, {opened}\n")
    held = Counter(key for _, rule in gate.rules(inventory).values() if rule for key in rule.datasets)
    seen = Counter(
        key
        for number, (_, rule) in gate.rules(inventory).items()
        if rule and number in public
        for key in rule.datasets
    )
    _say(f"{'Datensatz':<20} {'Zugriff':<9} {'öffentlich':>12}  nach außen; aufbewahrt")
    for one in policy.datasets:
        counts = f"{seen[one.key]} von {held[one.key]}"
        _say(f"{one.key:<20} {_ACCESS[one.access]:<9} {counts:>12}  {_outside(one)}; {_kept(one)}")
    return 0


def _diff(config: Settings, given: argparse.Namespace) -> int:
    old, new = (Gate(read_policy(path)) for path in (config.policy, given.file))
    inventory = _inventory(config) or _nothing()
    changed = 0
    before, after = old.rules(inventory), new.rules(inventory)
    shown = [gate.admit(inventory, PUBLIC) for gate in (old, new)]
    for number, (one, _) in before.items():
        told = [*_differences(before[number][1], after[number][1])]
        was, now = (number in view.datastreams for view in shown)
        if was != now:
            told.insert(0, "wird öffentlich" if now else "wird geschlossen")
        if told:
            changed += 1
            _say(f"{one.stream.thing}/{one.stream.key}: {'; '.join(told)}")
    for name in sorted(old.policy.by_key.keys() ^ new.policy.by_key.keys()):
        changed += 1
        _say(f"Datensatz {name!r} {'kommt hinzu' if name in new.policy.by_key else 'fällt weg'}")
    for line in _said(old.policy, new.policy):
        changed += 1
        _say(line)
    _say(f"{changed} Änderungen" if changed else "Keine Änderung")
    return 1 if changed else 0


def _said(old: Policy, new: Policy) -> Iterator[str]:
    """What changes in the words of a dataset, of which no series tells: the public reads them."""
    if old.journal_kept() != new.journal_kept():
        yield f"Journal: {_long(old.journal_kept())} -> {_long(new.journal_kept())}"
    if old.audit_kept != new.audit_kept:
        yield f"Zugriffsprotokoll: {_long(old.audit_kept)} -> {_long(new.audit_kept)}"
    if old.weather_kept != new.weather_kept:
        yield f"Wettervorhersagen: {_long(old.weather_kept)} -> {_long(new.weather_kept)}"
    if old.weather_open != new.weather_open:
        yield f"Wettervorhersagen: {'werden öffentlich' if new.weather_open else 'werden geschlossen'}"
    for name in sorted(old.by_key.keys() & new.by_key.keys()):
        was, now = _words(old.by_key[name]), _words(new.by_key[name])
        told = [f"{what}: {was[what]} -> {now[what]}" for what in was if was[what] != now[what]]
        if told:
            yield f"Datensatz {name!r}: {'; '.join(told)}"


def _words(one: Dataset) -> dict[str, str]:
    paid = one.funding
    return {
        "Titel": repr(one.title),
        "Beschreibung": repr(one.description),
        "Eigentümer": repr(one.owner),
        "Zweck": repr(one.purpose),
        "Rechtsgrundlage": repr(one.legal_basis),
        "Förderung": repr(paid.text) if paid else "keine",
        "Förderung, Verweis": repr(paid.link) if paid else "keiner",
        "Förderung, Bild": repr(paid.logo) if paid else "keines",
        "Auswahl": "; ".join(map(_selected, one.select)),
    }


def _selected(one: Selector) -> str:
    names = ("kind", "theme", "observed_property", "thing")
    named = {name: getattr(one, name) for name in names}
    told = [f"{name} = {', '.join(values)}" for name, values in named.items() if values]
    told += [] if one.citizen is None else [f"citizen = {str(one.citizen).lower()}"]
    return " und ".join(told) or "alles"


def _differences(old: Rule | None, new: Rule | None) -> Iterator[str]:
    if old is None or new is None:
        if old is not new:
            yield "verliert ihren Eintrag" if new is None else "bekommt einen Eintrag"
        return
    pairs: Mapping[str, tuple[object, object]] = {
        "Zugriff": (_ACCESS[old.access], _ACCESS[new.access]),
        "Grund": (old.exemption, new.exemption),
        "Lizenz": (old.licence, new.licence),
        "Rollen": (_names(old.visible_to), _names(new.visible_to)),
        "Zeitschritt": (_step(old.outside.time_step), _step(new.outside.time_step)),
        "neuester Wert sofort": (old.outside.current_at_once, new.outside.current_at_once),
        "Ort auf m": (old.outside.place_m, new.outside.place_m),
        "Mindestzahl": (old.outside.minimum_users, new.outside.minimum_users),
        "Rohdaten": (_long(old.retention.raw), _long(new.retention.raw)),
        "Einzelwerte": (_long(old.retention.values), _long(new.retention.values)),
        "Aggregate": (_long(old.retention.aggregates), _long(new.retention.aggregates)),
    }
    yield from (f"{name}: {was} -> {now}" for name, (was, now) in pairs.items() if was != now)


def _series(gate: Gate, inventory: Inventory) -> Iterator[str]:
    public = gate.admit(inventory, PUBLIC)
    for number, (one, rule) in gate.rules(inventory).items():
        name = f"{one.stream.thing}/{one.stream.key}"
        where = ", ".join(rule.datasets) if rule else ""
        if rule is None:
            yield f"{name:<50} kein Eintrag: nur der Betrieb"
        elif number in public.datastreams:
            limit = public.limits.get(number)
            yield f"{name:<50} öffentlich ({where})" + (f", je {_step(limit.time_step)}" if limit else "")
        else:
            yield f"{name:<50} nicht öffentlich ({where}): {_why(one.stream.exemption, rule)}"


def _why(exemption: str | None, rule: Rule) -> str:
    if rule.exemption:
        return rule.exemption
    if exemption:
        return f"{exemption}, so im Stadtverzeichnis"
    return f"weniger als {rule.outside.minimum_users} Nutzende, oder keine Lizenz im Stadtverzeichnis"


def _outside(one: Dataset) -> str:
    told = [f"je {_step(one.outside.time_step)}"] if one.outside.time_step else []
    told += [f"Ort auf {one.outside.place_m:g} m"] if one.outside.place_m else []
    told += [f"ab {one.outside.minimum_users} Nutzenden"] if one.outside.minimum_users > 1 else []
    return ", ".join(told) or "wie gemessen"


def _kept(one: Dataset) -> str:
    kept = one.retention
    if kept == Retention():
        return "alles unbefristet"
    return f"roh {_long(kept.raw)}, Werte {_long(kept.values)}, Aggregate {_long(kept.aggregates)}"


def _long(time: timedelta | None) -> str:
    if time is None:
        return "unbefristet"
    return f"{time.days} Tage" if time.days else f"{time.total_seconds() / 3600:g} Stunden"


def _step(time: timedelta | None) -> str:
    if time is None:
        return "wie gemessen"
    if time >= timedelta(days=1):
        return f"{time.days} Tag{'e' if time.days > 1 else ''}"
    minutes = time // timedelta(minutes=1)
    return f"{minutes} min" if minutes < 60 or minutes % 60 else f"{minutes // 60} h"


def _names(roles: frozenset[Any]) -> str:
    return ", ".join(sorted(roles)) or "keine"


def _inventory(config: Settings) -> Inventory | None:
    try:
        with closing(SqlRegistry(config.registry.address())) as registry:
            return registry.inventory()
    except RegistryUnavailable as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's answer
        return None


def _nothing() -> Inventory:
    return Inventory(0, {}, {}, {}, {})


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer
