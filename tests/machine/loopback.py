"""Ports of 127.0.0.1 for the servers tests start, which nobody else is given before the server has them.

What the kernel hands out for port 0 is free again until the server binds it: another test may be given
the same, or a connection that is just being made (even one to that very port, which then meets itself).
So these ports lie below the kernel's own range, and every process that asks has a street of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

_KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 20_000  # above what servers and `make run` use by default
_STREET = 64


def _streets() -> range:
    """The first port of each."""
    try:
        below = int(_KERNEL_RANGE.read_text().split()[0])
    except OSError:  # not Linux: IANA's dynamic ports
        below = 49_152
    # A machine may give all ports to connections; then at least the streets are apart.
    return range(_LOWEST, below if below > _LOWEST + 5_000 else 32_768, _STREET)


def _may_bind(port: int, kind: socket.SocketKind) -> socket.socket | None:
    """The bound socket."""
    probe = socket.socket(socket.AF_INET, kind)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe


def _numbers() -> Iterator[int]:
    """House after house; the first of each street is held as long as this process lives."""
    for first in _streets():
        held = _may_bind(first, socket.SOCK_STREAM)
        if held is None:
            continue  # another process lives here
        _held.append(held)
        yield from range(first + 1, first + _STREET)
    raise RuntimeError("other processes have all ports; end what an earlier run of the tests left behind")


_held: list[socket.socket] = []
_next = _numbers()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody uses, never given twice."""
    return free_ports(1, kind)


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """The first of `count` neighbouring ports (at most 63) nobody uses, never given twice."""
    found: list[int] = []
    while len(found) < count:
        port = next(_next)
        if found and port != found[-1] + 1:
            found.clear()
        bound = _may_bind(port, kind)
        if bound is None:
            found.clear()
            continue
        bound.close()
        found.append(port)
    return found[0]
