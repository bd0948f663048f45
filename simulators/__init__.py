"""The virtual city, seen by the platform only through real protocols."""
