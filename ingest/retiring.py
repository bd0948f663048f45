"""Take a worker out of service: what it said of itself is forgotten once nothing of it waits any more."""

from __future__ import annotations

from ingest.journal import JournalReader
from udp.errors import ConfigurationError
from udp.ledger.sql import SqlLedger


def not_worked_off(ledger: SqlLedger, reader: JournalReader) -> int:
    """How many deliveries of this journal have not been handled."""
    return sum(max(0, reader.newest(name) - ledger.cursor(reader.key(name))) for name in reader.names())


def retire(ledger: SqlLedger, reader: JournalReader) -> None:
    """Forget the worker of this journal; ConfigurationError while its journal is not worked off."""
    waiting = not_worked_off(ledger, reader)
    if waiting:
        raise ConfigurationError(
            f"{waiting} messages of {reader.worker} are not worked off: start it once more (`udp-ingest run` "
            f'with worker = "{reader.worker}"), then retire it'
        )
    ledger.forget_worker(reader.worker)
