"""The tables of the registry, for SQLite and PostgreSQL alike; channels are JSON, nobody asks by field."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from udp.errors import ConfigurationError

SCHEMA = 5
# Who speaks for a row: the city file; the device register or whoever wrote it through SensorThings, whose
# rows no city file touches. What is computed is spoken for by udp.derived.
CITY, DEVICES, DERIVED, WRITTEN = "city", "devices", "derived", "written"

metadata = MetaData()
# SQLite counts upwards only for a column of exactly this type.
_Id = BigInteger().with_variant(Integer, "sqlite")

register = Table(
    "register",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
)

thing = Table(
    "thing",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("theme", String, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("elevation_m", Float),
    Column("district", String, nullable=False),
    Column("district_name", String, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("description", String, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("origin", String(16), nullable=False, server_default=CITY),
)

datastream = Table(
    "datastream",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("thing", ForeignKey("thing.key"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("name", String, nullable=False),
    Column("sensor", String, nullable=False),
    Column("property_key", String, nullable=False),
    Column("property_name", String, nullable=False),
    Column("property_definition", String, nullable=False),
    Column("unit_symbol", String, nullable=False),
    Column("unit_name", String, nullable=False),
    Column("access", String(16), nullable=False),
    Column("exemption", String(32)),
    Column("licence", String, nullable=False),
    Column("expected_interval_s", Float, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("origin", String(16), nullable=False, server_default=CITY),
    UniqueConstraint("thing", "key"),
    sqlite_autoincrement=True,
)

device = Table(
    "device",
    metadata,
    Column("dev_eui", LargeBinary(8), primary_key=True),
    Column("thing", ForeignKey("thing.key"), nullable=False),
    Column("profile", String, nullable=False),
    Column("codec", String, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("expected_interval_s", Float, nullable=False),
    Column("citizen", Boolean, nullable=False),
    Column("counter_reset", Boolean, nullable=False, server_default=false()),
    Column("retired", Boolean, nullable=False),
    Column("origin", String(16), nullable=False, server_default=CITY),
)

wired = Table(
    "wired_sensor",
    metadata,
    Column("agent", String(64), primary_key=True),
    Column("sensor", String(64), primary_key=True),
    Column("thing", ForeignKey("thing.key"), nullable=False),
    Column("channels", JSON, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("origin", String(16), nullable=False, server_default=CITY),
)

derivation = Table(
    "derivation",
    metadata,
    Column("datastream", ForeignKey("datastream.id"), primary_key=True),
    Column("formula", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("source", String, nullable=False),
    Column("inputs", JSON, nullable=False),
)

# Which day of which computed Datastream rests on which inputs: what has not changed is not computed again.
derived_day = Table(
    "derived_day",
    metadata,
    Column("datastream", BigInteger, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("mark", String(32), nullable=False),
)


# The register of devices: what people say about a device and its place, beside what the platform needs.

device_record = Table(
    "device_record",
    metadata,
    Column("dev_eui", LargeBinary(8), primary_key=True),
    Column("content", JSON, nullable=False),
)

thing_record = Table(
    "thing_record",
    metadata,
    Column("thing", ForeignKey("thing.key"), primary_key=True),
    Column("content", JSON, nullable=False),
)

device_secret = Table(
    "device_secret",
    metadata,
    Column("dev_eui", LargeBinary(8), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

device_import = Table(
    "device_import",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", String(32), nullable=False),
    Column("file", String, nullable=False),
    Column("told", String, nullable=False),
    Column("images", LargeBinary, nullable=False),
    Column("undone_at", String(32)),
    sqlite_autoincrement=True,
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("thing", ForeignKey("thing.key"), nullable=False, index=True),
    Column("at", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("text", String, nullable=False),
    Column("person", String, nullable=False),
    Column("import_id", BigInteger),
    sqlite_autoincrement=True,
)


# Where each Thing was and when, and what was written through SensorThings beyond what the tables above hold.

thing_place = Table(
    "thing_place",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("thing", ForeignKey("thing.key"), nullable=False, index=True),
    Column("at", String(32), nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("elevation_m", Float),
    # Ids of written Locations; NULL where the place is the register's own, [] where there is none.
    Column("locations", JSON(none_as_null=True)),
    Column("hidden", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

written_entity = Table(
    "written_entity",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(64)),
    Column("content", JSON, nullable=False),
    Column("links", JSON, nullable=False),
    Column("gone", Boolean, nullable=False),
)

written_series = Table(
    "written_series",
    metadata,
    Column("series", BigInteger, primary_key=True, autoincrement=False),
    Column("datastream", BigInteger, nullable=False, index=True),
    Column("feature", BigInteger),
)

written_observation = Table(
    "written_observation",
    metadata,
    Column("series", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, primary_key=True, autoincrement=False),
    Column("lead", BigInteger, primary_key=True, autoincrement=False),
    Column("content", JSON, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
)


def is_made(connection: Connection) -> bool:
    """Whether the tables exist and are today's. ConfigurationError if they belong to a later program."""
    if not inspect(connection).has_table(register.name):
        return False
    found = connection.execute(select(register.c.schema_version)).scalar_one_or_none()
    if found is not None and found > SCHEMA:
        raise ConfigurationError(
            f"registry {connection.engine.url.render_as_string()}: tables have version {found}, this program "
            f"knows {SCHEMA}; use the program version that made it, or another registry"
        )
    return found == SCHEMA


def make(connection: Connection) -> None:
    """Create or add what is missing; harmless when another process does the same at this moment."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(8412305)"))
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))
    _add_columns(connection)
    version = register.c.schema_version
    if connection.execute(select(register.c.id)).first() is None:
        connection.execute(register.insert().values(id=1, schema_version=SCHEMA, version=1))
    else:
        connection.execute(register.update().where(version < SCHEMA).values(schema_version=SCHEMA))


def _add_columns(connection: Connection) -> None:
    """Version 1 had city files only; before version 5 no device could restart its counter."""
    for table in (thing, datastream, device, wired):
        _add(connection, table, "origin", f"VARCHAR(16) NOT NULL DEFAULT '{CITY}'")
    _add(connection, device, "counter_reset", "BOOLEAN NOT NULL DEFAULT FALSE")


def _add(connection: Connection, table: Table, column: str, kind: str) -> None:
    if column not in {one["name"] for one in inspect(connection).get_columns(table.name)}:
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column} {kind}"))
