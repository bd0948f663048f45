"""Everything the city owns in open formats, out of one instance and into another, with equal checksums."""
