"""Charging points of the Bundesnetzagentur's register: where they stand and what they offer."""
