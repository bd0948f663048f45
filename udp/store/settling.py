"""Wait until a server that confirms from memory has its values on disk."""

from __future__ import annotations

from udp.errors import StoreUnavailable
from udp.store import server_answers as answers
from udp.store.web import WebEndpoint


class Disk:
    """One VictoriaMetrics or vmstorage, which keeps fresh values in memory for up to five seconds.

    It has no word for "now to disk", but a snapshot is made of files alone: asked for one, it writes
    everything it holds first (index included) and answers when that is done. Killed right behind the
    answer it lost none of 20,000 values in 8 rounds; 20 to 60 ms each.
    """

    def __init__(self, web: WebEndpoint, name: str, key: str) -> None:
        self._web = web
        self._name = name
        self._key = [("authKey", key)] if key else []

    def settle(self) -> None:
        """Returns when everything taken in so far is on disk."""
        made = answers.decoded(self._name, self._web.ask("/snapshot/create", self._key))
        if made.get("status") != "ok":
            raise StoreUnavailable(f"{self._name} made no snapshot: {made}; see its log and snapshot_key")
        self._web.ask("/snapshot/delete", [("snapshot", str(made["snapshot"])), *self._key])

    def close(self) -> None:
        """Release connections."""
        self._web.close()
