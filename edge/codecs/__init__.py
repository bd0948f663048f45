"""Device payload bytes to named values."""
