"""The tables of the models' statements; times are integer microseconds since the Unix epoch."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only an INTEGER key by itself

forecast_stream = Table(
    "forecast_stream",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=False),
    Column("of", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("level", Float, nullable=False),
    UniqueConstraint("of", "kind", "level"),
)

statement = Table(
    "statement",
    metadata,
    Column("of", BigInteger, primary_key=True, autoincrement=False),
    Column("product", String(64), primary_key=True),
    Column("issued_at", BigInteger, nullable=False),
    Column("leads_s", JSON, nullable=False),
    Column("model", Text, nullable=False),
    Column("fallback", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("remarks", JSON, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("bands", JSON, nullable=False),
    Column("chance", JSON),
)

card = Table(
    "card",
    metadata,
    Column("product", String(64), primary_key=True),
    Column("group", String(128), primary_key=True),
    Column("fitted_at", BigInteger, nullable=False),
    Column("of", JSON, nullable=False),
    Column("usable", Boolean, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("content", JSON, nullable=False),
)

case = Table(
    "consumption_case",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("of", BigInteger, nullable=False),
    Column("family", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("strangeness", Float, nullable=False),
    Column("excess", Float, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("cost_eur", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("verdict", String(16), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    UniqueConstraint("of", "family", "opened_at"),
    sqlite_autoincrement=True,
)
