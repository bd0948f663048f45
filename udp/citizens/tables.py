"""What is kept of a citizen's project, in the registry's database; nothing of it is part of the inventory.

Names, addresses and secrets stand here and nowhere else. Personal links and webhook keys are kept as
hashes, keys for The Things Network sealed like the keys of devices.
"""

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
    text,
)

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

project = Table(
    "citizen_project",
    metadata,
    Column("slug", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("title", String, nullable=False),
    Column("name", String, nullable=False),
    Column("mail", String, nullable=False),
    Column("link", LargeBinary(32), nullable=False, unique=True),
    Column("webhook", LargeBinary(32)),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("exact", Boolean, nullable=False),
    Column("district", String, nullable=False),
    Column("district_name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("interval_s", Float, nullable=False),
    Column("licence", String, nullable=False),
    Column("consent", String(16), nullable=False),
    Column("applied_at", String(32), nullable=False),
    Column("decided_at", String(32)),
    Column("note", String, nullable=False, server_default=""),
    Column("ttn_application", String, nullable=False, server_default=""),
    Column("ttn_sealed", LargeBinary),
)

device = Table(
    "citizen_device",
    metadata,
    Column("dev_eui", LargeBinary(8), primary_key=True),
    Column("project", ForeignKey("citizen_project.slug"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("label", String, nullable=False),
)

# Codes for classes: their hash, and how many they may still let in.
class_code = Table(
    "citizen_class_code",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("note", String, nullable=False),
    Column("places", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("until", String(32), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("made_by", String, nullable=False),
    Column("revoked_at", String(32)),
    sqlite_autoincrement=True,
)

# Orders to delete: what a project leaves behind in store and ledger is deleted by who writes there.
erasure = Table(
    "citizen_erasure",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("project", String(16), nullable=False),
    Column("datastreams", JSON, nullable=False),
    Column("things", JSON, nullable=False),
    Column("dev_euis", JSON, nullable=False),
    Column("ordered_at", String(32), nullable=False),
    Column("done_at", String(32)),
    sqlite_autoincrement=True,
)


def make(connection: Connection) -> None:
    """Create what is missing; harmless when another process does the same at this moment."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(8412306)"))
    metadata.create_all(connection)
