"""Several cities in one installation: a process each, behind one door."""
