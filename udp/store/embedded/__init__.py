"""The store that needs nothing installed: SQLite for the last days, one Parquet file per closed span."""
