"""What is wrong right now, for the IT team."""
