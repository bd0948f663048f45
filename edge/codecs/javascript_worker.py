"""The process in which foreign JavaScript runs: it can be killed at any moment and takes nothing along.

Started as a script by `edge.codecs.javascript_pool`, outside of our packages and without `site`: it
needs few megabytes and holds nothing but codecs. Lines come on standard input:

    L <key> <source as JSON text>     learn a codec
    D <key>                           forget it
    C <key> <kind> <input as JSON>    run it; answered by one line of JSON on standard output

The engine stops a codec by processor time, memory and stack. What it cannot stop, one long native
call, the kernel's timer ends together with this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_FUNCTIONS = (
    "decodeUplink",
    "normalizeUplink",
    "encodeDownlink",
    "decodeDownlink",
    "Decoder",
    "Decode",
    "Encoder",
    "Encode",
)
# On a line of its own: a codec may end in a comment.
_EPILOGUE = (
    "\n;return {"
    + ",".join(f'{name}:typeof {name}==="function"?{name}:undefined' for name in _FUNCTIONS)
    + "}})"
)
_STRICT = re.compile(r"""\s*["']use strict["']""")
_ASKED_OF_THIS = re.compile(r"\b(?:this|globalThis)\.([A-Za-z_$][\w$]*)")
_DECLARED = re.compile(r"\bfunction\s+([A-Za-z_$][\w$]*)")
# What assignments leave behind is looked for after every message; for what could hide better, a codec
# loses its context after every message (about a millisecond).
_CHANGES_THE_LANGUAGE = re.compile(
    r"\b(?:define(?:Property|Properties)|__define[GS]etter__|setPrototypeOf|__proto__|freeze|seal"
    r"|preventExtensions|Reflect|Proxy|eval)\b"
    r"|\b(?:Object|Array|String|Number|Boolean|Function|Date|RegExp|Error|Math|JSON|Map|Set|Promise|BigInt|Symbol"
    r"|Buffer|console)\s*(?:\.\s*\w+|\[[^\]]*\])+\s*=[^=]"
)
# Beyond the engine's own limit by so much, the kernel ends the process.
_KERNEL_FACTOR = 1.25
_KERNEL_EXTRA_S = 0.05


class Sandbox:
    """The codecs this process knows, each in a context of its own, built when it is first needed."""

    def __init__(self, engine: Any, limits: dict[str, Any]) -> None:
        self._engine = engine
        # The last two: what the engine hands out and Python cannot take, or the other way round.
        self._failures = (engine.JSException, ValueError, TypeError)
        self._limits = limits
        self._frame = (_HERE / "javascript_sandbox.js").read_text("utf-8")
        self._buffer = (_HERE / "javascript_buffer.js").read_text("utf-8")
        self._sources: dict[str, str] = {}
        self._running: dict[str, Any] = {}

    def learn(self, key: str, source: str) -> None:
        """Keep the source; it is compiled with its first message."""
        self._sources[key] = source

    def forget(self, key: str) -> None:
        """Give the codec's memory back."""
        self._sources.pop(key, None)
        self._running.pop(key, None)

    def answer(self, key: str, kind: str, request: str) -> str:
        """One line of JSON, whatever the codec does, unless it ends this process."""
        fresh = key not in self._running
        try:
            return self._run(key, kind, request)
        except self._failures as error:
            self._running.pop(key, None)
            text = str(error).strip()
            if not text.startswith("null") and "out of memory" not in text:
                return self._stopped(text)
        # Memory may have been spent by earlier messages or by other codecs: nobody keeps any.
        self._running.clear()
        if not fresh:
            try:
                return self._run(key, kind, request)
            except self._failures:
                self._running.clear()
        return _refusal(f"the codec needs more than {self._limits['memory_bytes']} bytes of memory")

    def _run(self, key: str, kind: str, request: str) -> str:
        run = self._running.get(key)
        if run is None:
            run = self._running[key] = self._built(self._sources[key])
        answer: str = run(kind, request)
        changed = answer[0] == "!"  # it changed the language itself: the next message starts anew
        if changed or _CHANGES_THE_LANGUAGE.search(self._sources[key]):
            del self._running[key]
        return answer[1:] if changed else answer

    def _built(self, source: str) -> Any:
        context = self._engine.Context()
        context.set_memory_limit(self._limits["memory_bytes"])
        context.set_max_stack_size(self._limits["stack_bytes"])
        context.set_time_limit(self._limits["cpu_s"])
        frame = context.eval(self._frame)
        return frame(
            context.eval("(function(){" + _reachable(source) + source + _EPILOGUE),
            self._buffer,
            self._limits["output_characters"],
        )

    def _stopped(self, text: str) -> str:
        first = text.splitlines()[0] if text else "no reason"
        if "interrupted" in first:
            return _refusal(f"the codec ran longer than {self._limits['cpu_s']:g} s of processor time")
        return _refusal(first[:500])


def _reachable(source: str) -> str:
    """Statements that make functions of the file reachable as `this.name`, for files that ask for it.

    Network servers run a file as a script, whose functions are members of the global object.
    """
    if _STRICT.match(source):  # there, `this` of a plain call is undefined anyway
        return ""
    asked = set(_ASKED_OF_THIS.findall(source)) & set(_DECLARED.findall(source))
    return "".join(f'if(typeof {name}==="function")this.{name}={name};' for name in sorted(asked))


def _refusal(problem: str) -> str:
    return json.dumps({"errors": [problem]})


def _confine(address_space: int) -> None:
    """From here on no files, no new processes, no core dumps; the first to go when memory is short."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the limits below hold all the same
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    for kind, most in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _write(line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(1, rest) :]


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our parent's to answer
    limits = json.loads(sys.argv[1])
    sys.path.append(sys.argv[2])
    # The package around it starts a thread on import; its engine is all we need.
    import _quickjs  # noqa: PLC0415

    sandbox = Sandbox(_quickjs, limits)
    incoming = sys.stdin.buffer
    _confine(limits["address_space_bytes"])
    kernel_s = limits["cpu_s"] * _KERNEL_FACTOR + _KERNEL_EXTRA_S
    _write(b"ready\n")
    for line in incoming:
        verb, key, rest = line[:1], line[2:18].decode("ascii"), line[19:-1]
        if verb == b"C":
            signal.setitimer(signal.ITIMER_PROF, kernel_s)
            kind, _, request = rest.decode("utf-8").partition(" ")
            _write(sandbox.answer(key, kind, request).encode("utf-8", "replace") + b"\n")
        elif verb == b"L":
            sandbox.learn(key, json.loads(rest))
        else:
            sandbox.forget(key)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os._exit(3)  # what is left is in no state to be used
