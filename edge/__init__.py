"""Hears sensors, keeps what it heard and says it upwards; runs on a gateway."""
