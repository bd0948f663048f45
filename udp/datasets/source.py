"""The policy in force: the file is followed while the platform runs, and a broken one never takes effect."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from udp.datasets.model import Policy
from udp.datasets.reading import SHIPPED, read_policy
from udp.errors import ConfigurationError

_LOG = logging.getLogger(__name__)


class PolicyFile:
    """The file at `path`, else the shipped one; safe from several threads.

    ConfigurationError at construction when it cannot be meant: nothing starts without a policy.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or SHIPPED
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._policy = read_policy(path)

    def current(self) -> Policy:
        """The newest good one. Costs one look at the directory; reads the file only when it has changed."""
        with self._lock:
            stamp = self._look()
            if stamp == self._stamp:
                return self._policy
            self._stamp = stamp
            try:
                self._policy = read_policy(self.path)
            except ConfigurationError as error:
                _LOG.error("the policy stays as it was before; %s", error)
            else:
                _LOG.warning("the policy has changed: %s, SHA-256 %s", self.path, self._policy.digest)
            return self._policy

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
