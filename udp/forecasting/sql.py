"""The models' statements in SQLite or PostgreSQL, by SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from edge.wire.instants import instant, microseconds
from udp.errors import NotFound, StoreUnavailable
from udp.forecasting import tables
from udp.forecasting.port import (
    FIRST_NUMBER,
    Card,
    Case,
    Chance,
    ForecastKey,
    Kind,
    Statement,
    Told,
    Verdict,
)
from udp.ledger.engine import open_engine, reading, writing

_ADVISORY_LOCK = 0x55445046  # "UDPF"


class SqlForecasts:
    """`Forecasts` (udp.forecasting.port) in `url`, e.g. sqlite:///var/forecasts.sqlite."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        with self._writing() as connection:
            tables.metadata.create_all(connection)

    def told(self) -> Told:
        """See the port."""
        with self._reading() as connection:
            statements = [_statement(row) for row in connection.execute(select(tables.statement))]
            cards = connection.execute(select(tables.card).order_by(tables.card.c.product))
            cases = connection.execute(select(tables.case).order_by(tables.case.c.id))
            return Told(
                _numbers(connection),
                {(one.of, one.product): one for one in statements},
                tuple(_card(row) for row in cards),
                tuple(_case(row) for row in cases),
            )

    def number(self, keys: Sequence[ForecastKey]) -> Mapping[ForecastKey, int]:
        """See the port."""
        with self._reading() as connection:
            known = _numbers(connection)
        if all(key in known for key in keys):
            return {key: known[key] for key in keys}
        with self._writing() as connection:
            known = _numbers(connection)
            new = sorted({key for key in keys if key not in known})
            highest = connection.scalar(select(func.max(tables.forecast_stream.c.id)))
            first = FIRST_NUMBER if highest is None else highest + 1
            rows = [
                {"id": first + place, "of": key.of, "kind": key.kind.value, "level": key.level}
                for place, key in enumerate(new)
            ]
            if rows:
                connection.execute(insert(tables.forecast_stream), rows)
            known |= {key: first + place for place, key in enumerate(new)}
        return {key: known[key] for key in keys}

    def write(
        self, statements: Sequence[Statement] = (), cards: Sequence[Card] = (), cases: Sequence[Case] = ()
    ) -> None:
        """See the port."""
        with self._writing() as connection:
            for one in statements:
                _replace(connection, tables.statement, {"of": one.of, "product": one.product}, _row(one))
            for card in cards:
                _replace(connection, tables.card, {"product": card.product, "group": card.group}, _row(card))
            for case in cases:
                _keep(connection, case)

    def judge(self, case: int, verdict: Verdict, note: str) -> Case:
        """See the port."""
        table = tables.case
        with self._writing() as connection:
            said = update(table).where(table.c.id == case).values(verdict=verdict.value, note=note)
            if connection.execute(said).rowcount == 0:
                raise NotFound(f"case {case} is not known")
            return _case(connection.execute(select(table).where(table.c.id == case)).one())

    def close(self) -> None:
        """See the port."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._answering(), writing(self._engine, _ADVISORY_LOCK) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._answering(), reading(self._engine) as connection:
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise StoreUnavailable(
                f"forecasts {where} did not answer: {getattr(error, 'orig', None) or error}"
            ) from error


def _numbers(connection: Connection) -> dict[ForecastKey, int]:
    rows = connection.execute(select(tables.forecast_stream))
    return {ForecastKey(row.of, Kind(row.kind), row.level): row.id for row in rows}


def _replace(connection: Connection, table: Table, key: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    connection.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))
    connection.execute(insert(table), row)


def _keep(connection: Connection, case: Case) -> None:
    table = tables.case
    row = _row(case)
    for said in ("id", "verdict", "note"):
        row.pop(said)
    same = (table.c.of == case.of) & (table.c.family == case.family) & (table.c.opened_at == row["opened_at"])
    if connection.execute(update(table).where(same).values(row)).rowcount == 0:
        connection.execute(insert(table), row)


def _row(one: Statement | Card | Case) -> dict[str, Any]:
    return {name: _plain(getattr(one, name)) for name in one.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return microseconds(value)
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, Chance):
        return {"level": value.level, "leads_s": list(value.leads_s), "values": list(value.values)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _statement(row: Any) -> Statement:
    return Statement(
        **dict(row._mapping)
        | {
            "issued_at": instant(row.issued_at),
            "leads_s": tuple(row.leads_s),
            "remarks": tuple(row.remarks),
            "chance": None if row.chance is None else _chance(row.chance),
        }
    )


def _chance(raw: Mapping[str, Any]) -> Chance:
    return Chance(float(raw["level"]), tuple(raw["leads_s"]), tuple(raw["values"]))


def _card(row: Any) -> Card:
    return Card(**dict(row._mapping) | {"fitted_at": instant(row.fitted_at), "of": tuple(row.of)})


def _case(row: Any) -> Case:
    times = {name: instant(row._mapping[name]) for name in ("opened_at", "last_seen_at")}
    one = Case(**dict(row._mapping) | times | {"closed_at": None, "verdict": Verdict(row.verdict)})
    return one if row.closed_at is None else replace(one, closed_at=instant(row.closed_at))
