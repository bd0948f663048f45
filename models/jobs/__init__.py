"""From the store to forecasts and back: the only part of the models that knows the platform."""
