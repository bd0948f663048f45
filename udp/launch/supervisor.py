"""Keeps the processes of one machine running: starts, restarts with growing pauses, stops in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_LOG_BYTES = 10_000_000
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# A process that ran this long was well: its next failure is a new story.
_WELL_AFTER_S = 120.0


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running; stopped in reverse order of the list."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_within_s: float = 10.0


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    retry_at: float = 0.0
    restarts: int = 0


class Supervisor:
    """Owns the child processes; `tick` is called about once a second by the launcher's loop."""

    def __init__(self, log_directory: Path, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._logs = log_directory
        self._clock = clock
        self._say = say
        self._running: dict[str, _Running] = {}
        log_directory.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program) -> None:
        """Start a process now and keep it running from here on."""
        state = _Running(program)
        self._running[program.name] = state
        self._spawn(state)

    def alive(self, name: str) -> bool:
        """Whether the process runs at this moment."""
        state = self._running.get(name)
        return state is not None and state.process is not None and state.process.poll() is None

    def tick(self) -> None:
        """Notice what ended and start it again when its pause is over."""
        for state in self._running.values():
            if state.process is not None and (code := state.process.poll()) is not None:
                self._ended(state, code)
            if state.process is None and self._clock() >= state.retry_at:
                state.restarts += 1
                self._spawn(state)

    def stop(self) -> None:
        """Ask all to end, last started first; kill what does not within its time."""
        for state in reversed(self._running.values()):
            if state.process is not None and state.process.poll() is None:
                state.process.send_signal(signal.SIGTERM)
        for state in reversed(self._running.values()):
            self._await_end(state)
        self._running.clear()

    def log_of(self, name: str) -> Path:
        """The file that holds what the process said."""
        return self._logs / f"{name}.log"

    def _spawn(self, state: _Running) -> None:
        with self._log(state.program.name) as log:
            # A session of its own: Ctrl-C in the terminal reaches the launcher only, which stops in order.
            state.process = subprocess.Popen(  # noqa: S603
                list(state.program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(state.program.environment),
                start_new_session=True,
            )
        state.started_at = self._clock()

    def _ended(self, state: _Running, code: int) -> None:
        if self._clock() - state.started_at > _WELL_AFTER_S:
            state.pause_s = _FIRST_PAUSE_S
        state.process = None
        state.retry_at = self._clock() + state.pause_s
        self._say(
            f"{state.program.name} ended with code {code}; starting it again in {state.pause_s:.0f} s."
            f" Its last words: {self._last_words(state.program.name)}"
        )
        state.pause_s = min(2 * state.pause_s, _LONGEST_PAUSE_S)

    def _await_end(self, state: _Running) -> None:
        if state.process is None:
            return
        try:
            state.process.wait(state.program.stop_within_s)
        except subprocess.TimeoutExpired:
            self._say(f"{state.program.name} did not end within {state.program.stop_within_s:.0f} s: killed.")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(state.process.pid, signal.SIGKILL)
            state.process.wait()

    def _log(self, name: str) -> IO[bytes]:
        path = self.log_of(name)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def _last_words(self, name: str) -> str:
        lines = self.log_of(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "none"
