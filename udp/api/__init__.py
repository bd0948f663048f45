"""The way out: the data API."""
