"""The few errors the platform raises on purpose; each text names the thing and the remedy."""

from __future__ import annotations


class PlatformError(Exception):
    """Anything a caller may show to a person as it stands."""


class ConfigurationError(PlatformError):
    """A file or variable holds what cannot be meant; names file, key and remedy."""


class StoreUnavailable(PlatformError):
    """The store did not take or give; the same call may be repeated later."""


class StoreRejected(PlatformError):
    """The store will never take this batch; repeating is useless."""


class RegistryUnavailable(PlatformError):
    """The registry did not answer; the same call may be repeated later."""


class NotFound(PlatformError):
    """What was asked for does not exist, or is not to be known to exist."""
