"""Measure the models on anybody's series: `python -m models.evaluate --data DIR`."""
