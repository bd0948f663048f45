"""Where Observations live: one port, several engines."""
