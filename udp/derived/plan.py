"""Which Datastreams can be computed in this city, and the register that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from udp.derived.formulas import FORMULAS, Formula
from udp.registry import rows, schema
from udp.registry.database import Database
from udp.registry.port import Derivation, Inventory
from udp.registry.profiles import load_observed_properties
from udp.registry.sql import grow, lock
from udp.sensorthings import Datastream
from udp.units import unit

Wanted = tuple[Datastream, Derivation]
_ORDER = ("open", "internal", "restricted")


def wanted(inventory: Inventory, formulas: Sequence[Formula] = FORMULAS) -> list[Wanted]:
    """Every Datastream some formula can make of what is measured at one Thing; ids are not given yet."""
    names = load_observed_properties()
    measured: dict[str, dict[str, Datastream]] = {}
    for number, one in sorted(inventory.datastreams.items()):
        if number not in inventory.derived:
            measured.setdefault(one.thing, {}).setdefault(one.observed_property.key, one)
    found: list[Wanted] = []
    for thing, streams in sorted(measured.items()):
        theme = inventory.things[thing].theme if thing in inventory.things else ""
        for formula in formulas:
            inputs = list(_inputs(formula, streams))
            if not inputs or (formula.themes and theme not in formula.themes):
                continue
            strictest = max(inputs, key=lambda one: _ORDER.index(one.access.value))
            known = names[formula.key]
            stream = Datastream(
                id=0,
                key=formula.key,
                name=known.name,
                thing=thing,
                sensor=f"Berechnet: {formula.key} {formula.version}",
                observed_property=known,
                unit=unit(formula.unit),
                access=strictest.access,
                exemption=strictest.exemption,
                licence=strictest.licence,
                expected_interval_s=formula.interval_s or inputs[0].expected_interval_s,
            )
            numbers = tuple(one.id for one in inputs)
            found.append((stream, Derivation(formula.key, formula.version, formula.source, numbers)))
    return found


def _inputs(formula: Formula, streams: dict[str, Datastream]) -> Iterator[Datastream]:
    """Nothing where one that is needed is missing."""
    if all(one in streams for one in formula.needs):
        yield from (streams[one] for one in (*formula.needs, *formula.one_of) if one in streams)


def register(database: Database, found: Sequence[Wanted]) -> bool:
    """Make the register hold exactly these computed Datastreams; True where something changed. What can no
    longer be computed is retired, and its values stay."""
    stream, derivation = schema.datastream, schema.derivation
    with database.writing() as connection:
        lock(connection)
        held = {
            (row.thing, row.key): row
            for row in connection.execute(select(stream).where(stream.c.origin == schema.DERIVED))
        }
        said = {row.datastream: row for row in connection.execute(select(derivation))}
        taken = {(row.thing, row.key) for row in connection.execute(
            select(stream.c.thing, stream.c.key).where(stream.c.origin != schema.DERIVED))}  # fmt: skip
        changed = False
        for one, how in found:
            if (one.thing, one.key) in taken:
                continue  # a sensor says it itself
            row = rows.datastream_row(one) | {"origin": schema.DERIVED}
            before = held.pop((one.thing, one.key), None)
            if before is None:
                number = connection.execute(stream.insert().values(row).returning(stream.c.id)).scalar_one()
                changed = True
            else:
                number = before.id
                if any(getattr(before, name) != value for name, value in row.items()):
                    connection.execute(stream.update().where(stream.c.id == number).values(row))
                    changed = True
            changed |= _say(connection, derivation, said.get(number), number, how)
        for row_ in held.values():
            if not row_.retired:
                connection.execute(stream.update().where(stream.c.id == row_.id).values(retired=True))
                changed = True
        if changed:
            grow(connection)
    return changed


def _say(connection: Any, table: Any, before: Any, number: int, how: Derivation) -> bool:
    row = {"formula": how.formula, "version": how.version, "source": how.source, "inputs": list(how.inputs)}
    if before is None:
        connection.execute(table.insert().values(datastream=number, **row))
        return True
    if all(getattr(before, name) == value for name, value in row.items()):
        return False
    connection.execute(table.update().where(table.c.datastream == number).values(row))
    return True
