"""The ledger's tables, narrow because every uplink writes into three of them.

Times are integer microseconds since the Unix epoch: they sort, and SQLite and PostgreSQL agree.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only an INTEGER key by itself

# The memory of deduplication. WITHOUT ROWID: the key is the row, one B-tree instead of two.
uplinks = Table(
    "uplinks",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    # By our own clock: a gateway's may say 1970, and what is forgotten too early doubles.
    Column("noted_at", BigInteger, nullable=False),
    Column("payload", LargeBinary),  # digest; null where an older version noted the uplink
    sqlite_with_rowid=False,
)

receptions = Table(
    "receptions",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("way", Text, primary_key=True),
    Column("gateway", Text, primary_key=True),
    Column("received_at", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rssi_dbm", Float),
    Column("snr_db", Float),
    sqlite_with_rowid=False,
)

# Per session, because FCnt starts again at a join: lost = highest - lowest + 1 - heard.
sessions = Table(
    "sessions",
    metadata,
    Column("dev_eui", Text, primary_key=True),
    Column("session", LargeBinary, primary_key=True),
    Column("lowest", BigInteger, nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("heard", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("last_f_cnt", BigInteger, nullable=False),
    Column("last_received_at", BigInteger, nullable=False),
    # Highest counter whose memory was dropped, -1 for none: what is unknown and above is provably new.
    Column("forgotten", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

gateways = Table(
    "gateways",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("last_received_at", BigInteger, nullable=False),
    Column("receptions", BigInteger, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("spool", LargeBinary, primary_key=True),
    Column("highest", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("last_sent_at", BigInteger, nullable=False),
    Column("last_journalled_at", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("spool", LargeBinary, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("noticed_at", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("way", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("octets", LargeBinary, nullable=False),
)
quarantine_by_time = Index("quarantine_by_time", quarantine.c.at)

# Where in a journal frames lie that no session vouches for: [first, last] are rows, one entry per address.
frames = Table(
    "frames",
    metadata,
    Column("dev_addr", LargeBinary, primary_key=True),
    Column("journal", Text, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
    Column("wanted", Integer, nullable=False),
    sqlite_with_rowid=False,
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# What a worker says of itself replaces what it said, and nobody else's.
workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("reported_at", BigInteger, nullable=False),
)

gauges = Table(
    "gauges",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

conditions = Table(
    "worker_conditions",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("text", Text, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("journal", Text, primary_key=True),
    Column("row_id", BigInteger, nullable=False),
)

# The newest deliveries to each project's door; what they hold nobody asks for by field.
packets = Table(
    "packets",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("project", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("content", JSON, nullable=False),
)

packet_counts = Table(
    "packet_counts",
    metadata,
    Column("project", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
