"""The doors of ingest: edge agents, ChirpStack, The Things Stack."""
