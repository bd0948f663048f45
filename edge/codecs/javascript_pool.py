"""Keeps the processes in which JavaScript codecs run, and ends and replaces those that hang."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import queue
import select
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from edge.codecs.port import CodecError

log = logging.getLogger(__name__)

_WORKER = Path(__file__).with_name("javascript_worker.py")
_START_S: Final = 20.0  # a loaded gateway needs a second or two to start Python
_AT_ONCE: Final = 256  # calls handed over before the first answers are taken out
_CHUNK: Final = 1 << 16
_FROM_OUTSIDE: Final = "its process was killed from outside, twice; perhaps the machine's memory is short"
_DIES_WITH: Final = {
    -signal.SIGPROF: "the codec hung in one long native call",
    -signal.SIGKILL: _FROM_OUTSIDE,
    3: "the codec used up its process's memory",
}


@dataclass(frozen=True, slots=True)
class JavaScriptLimits:
    """What one codec may use for one message.

    `cpu_s` is processor time; `wall_s` is patience on a busy machine before the process is killed all
    the same. Memory and stack are per codec; `contexts` codecs at most are kept ready in a process.
    """

    cpu_s: float = 0.25
    wall_s: float = 2.0
    memory_bytes: int = 8 << 20
    stack_bytes: int = 256 << 10
    output_characters: int = 256 << 10
    contexts: int = 32
    processes: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.cpu_s <= self.wall_s:
            raise ValueError(f"cpu_s {self.cpu_s} must be above 0 and not above wall_s {self.wall_s}")
        if self.memory_bytes < 1 << 20 or self.stack_bytes < 64 << 10:
            raise ValueError("memory_bytes must be at least 1 MiB and stack_bytes at least 64 KiB")
        if self.contexts < 1 or self.processes < 1 or self.output_characters < 1 << 10:
            raise ValueError("contexts and processes must be at least 1, output_characters at least 1024")

    @property
    def address_space_bytes(self) -> int:
        """Second line of defence: what a whole process may map."""
        return (96 << 20) + self.contexts * self.memory_bytes


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one codec file; two files of the same text are the same codec."""

    text: str
    key: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        object.__setattr__(self, "key", digest)


class Call(NamedTuple):
    """One run of one codec: `kind` is uplink, downlink-encode or downlink-decode, `request` JSON."""

    source: Source
    kind: str
    request: str


class WorkerProcess:
    """One sandboxed process and the two pipes to it."""

    def __init__(self, limits: JavaScriptLimits, engine: Path) -> None:
        self._limits = limits
        self._known: OrderedDict[str, None] = OrderedDict()
        told = {
            name: getattr(limits, name)
            for name in ("cpu_s", "memory_bytes", "stack_bytes", "output_characters")
        }
        told["address_space_bytes"] = limits.address_space_bytes
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter with our own script
            [sys.executable, "-I", "-S", str(_WORKER), json.dumps(told), str(engine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={"TZ": "UTC", "LC_ALL": "C.UTF-8"},
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101  # both are PIPE
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        answers, reason = self._pump(b"", 1, _START_S)
        if answers != [b"ready"]:
            self.close()
            raise CodecError(f"the process for JavaScript codecs does not start: {reason}; see the log above")

    def run(self, calls: Sequence[Call]) -> tuple[list[bytes], str]:
        """The answers to the first calls and, where they are not all, why the next one has none.

        After such a reason the process is gone.
        """
        return self._pump(b"".join(self._lines(calls)), len(calls), self._limits.wall_s)

    def close(self) -> None:
        """End the process; it holds nothing worth waiting for."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._stdout.close()

    @property
    def pid(self) -> int:
        """Of the process, for those who measure it."""
        return self._process.pid

    def _lines(self, calls: Sequence[Call]) -> Iterable[bytes]:
        for source, kind, request in calls:
            if source.key in self._known:
                self._known.move_to_end(source.key)
            else:
                if len(self._known) >= self._limits.contexts:
                    yield f"D {self._known.popitem(last=False)[0]} \n".encode()
                self._known[source.key] = None
                yield f"L {source.key} {json.dumps(source.text)}\n".encode()
            yield f"C {source.key} {kind} {request}\n".encode()

    def _pump(self, outgoing: bytes, expected: int, patience_s: float) -> tuple[list[bytes], str]:
        """Write and read at once, so that neither side ever waits for the other's full pipe."""
        answers: list[bytes] = []
        rest, partial = memoryview(outgoing), b""
        reading, writing = self._stdout.fileno(), self._stdin.fileno()
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        if rest:
            poll.register(writing, select.POLLOUT)
        deadline = time.monotonic() + patience_s
        while len(answers) < expected:
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not ready:
                return answers, self._end(f"the codec did not answer within {patience_s:g} s")
            if writing in ready:
                try:
                    rest = rest[os.write(writing, rest[:_CHUNK]) :]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    rest = rest[:0]  # it has died; what it still answered is read below
                if not rest:
                    poll.unregister(writing)
            if reading in ready:
                octets = os.read(reading, _CHUNK)
                if not octets:
                    return answers, self._end("")
                *whole, partial = (partial + octets).split(b"\n")
                if whole:
                    answers += whole
                    deadline = time.monotonic() + patience_s
                if len(partial) > 8 * self._limits.output_characters:
                    return answers, self._end("the codec's process answers without end")
        return answers, ""

    def _end(self, reason: str) -> str:
        """Kill what is left, and say why it ended."""
        if reason:
            self.close()
            return f"{reason} and was killed"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_START_S)
        code = self._process.returncode
        self.close()
        return _DIES_WITH.get(code, f"its process ended by {_named(code)}")


class JavaScriptPool:
    """Runs calls in sandboxed processes, from any thread. Starts them when they are first needed."""

    def __init__(self, limits: JavaScriptLimits | None = None) -> None:
        self._limits = limits or JavaScriptLimits()
        self._idle: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        for _ in range(self._limits.processes):
            self._idle.put(None)
        self.killed = 0

    def run(self, calls: Sequence[Call]) -> list[bytes]:
        """One JSON object per call, in their order; `errors` stands in it where a codec failed.

        A codec that hangs or crashes costs its own call only; a process that somebody else kills
        costs none. CodecError if no process can be had.
        """
        answers: list[bytes] = []
        worker, whole, again = self._idle.get(), False, -1
        try:
            while len(answers) < len(calls):
                worker = worker or WorkerProcess(self._limits, engine_directory())
                part = calls[len(answers) : len(answers) + _AT_ONCE]
                got, reason = worker.run(part)
                answers += got
                if reason:
                    worker = None
                    self.killed += 1
                    if reason == _FROM_OUTSIDE and again < len(answers):
                        again = len(answers)  # the call may be innocent: once more in a new process
                        continue
                    log.warning("JavaScript codec: %s; its process is replaced", reason)
                    answers.append(json.dumps({"errors": [reason]}).encode())
            whole = True
        finally:
            if not whole and worker is not None:
                worker.close()  # answers nobody took may still be in its pipe
                worker = None
            self._idle.put(worker)
        return answers

    def pids(self) -> list[int]:
        """Of the processes that wait for work."""
        with self._idle.mutex:
            return [worker.pid for worker in self._idle.queue if worker is not None]

    def close(self) -> None:
        """End every process; `run` would start new ones."""
        for _ in range(self._limits.processes):
            worker = self._idle.get()
            if worker is not None:
                worker.close()
        for _ in range(self._limits.processes):
            self._idle.put(None)


def engine_directory() -> Path:
    """Where the engine is installed; CodecError if it is not, or if its forebear stands in its place."""
    spec = find_spec("_quickjs")
    if spec is None or spec.origin is None:
        raise CodecError(
            "JavaScript codecs need quickjs-ng, which is not installed: install the extra [edge-js]"
        )
    directory = Path(spec.origin).parent
    if not any(directory.glob("quickjs_ng-*.dist-info")):
        raise CodecError(
            f"the JavaScript engine in {directory} is not quickjs-ng: uninstall quickjs, install [edge-js]"
        )
    return directory


def _named(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
