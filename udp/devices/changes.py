"""What a row changes about a device that is there already, column by column, for who reads the dry run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from udp.devices.checking import Mounting
from udp.devices.columns import COLUMNS
from udp.devices.held import Held

_FREE = frozenset({"name", "ortsteil_name", "beschreibung", "eigentuemer", "standort", "bemerkung"})


def changes_of(one: Mounting, held: Held, *, secret: bool) -> str:
    """The changes of a device in force, comma-separated. `secret`: its keys change, which are never shown."""
    before = held.devices[one.dev_eui]
    old = held.things[before.thing].cells() | before.cells()
    new = {**one.placed.cells, **one.record, "dev_eui": old["dev_eui"], "profil": one.profile.name}
    found = list(_differing(old, new))
    if secret:
        found.append("Schlüssel")
    # A profile that measures more than yesterday changes its devices without any word in the table.
    return ", ".join(found) or "nach dem geänderten Profil"


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for column in COLUMNS:
        was, will = old.get(column, ""), new.get(column, "")
        if was == will:
            continue
        if not will:
            yield f"{column} geleert (war {_shown(column, was)})"
        elif not was:
            yield f"{column} {_shown(column, will)}"
        else:
            yield f"{column} {_shown(column, will)} statt {_shown(column, was)}"


def _shown(column: str, value: str) -> str:
    return f"„{value}“" if column in _FREE else value
