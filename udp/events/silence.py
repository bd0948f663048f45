"""Who is silent now, by his own rhythm; and nobody while his past is still arriving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from udp.events.port import EventKind, Trouble
from udp.events.rhythm import Rhythm
from udp.events.subjects import Subject
from udp.events.words import every, span

NETWORK = "network"
# With this many in the register, all of them silent at once means the way to us.
_FEW = 3
_NETWORK_SILENT = timedelta(minutes=15)
# Old measurements arrive in steps; whose last sign still moves is no silence.
_ARRIVAL_PAUSE = timedelta(minutes=2)


@dataclass(slots=True)
class Silence:
    """Remembers when each last sign was seen to move. A first look therefore accuses nobody."""

    _moved: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def troubles(
        self, known: Sequence[Subject], rhythms: Mapping[str, Rhythm], now: datetime
    ) -> Iterator[Trouble]:
        """Everybody who is silent at `now`. Whose agent is silent is not judged: that is one trouble.

        Devices are measured by the newest sign of any device: when all of them come from the past,
        none is late, and when none comes any more, the network is.
        """
        resting = {one.subject for one in known if self._rests(one, now)}
        silent_agents = {
            one.agent
            for one in known
            if one.kind == "agent" and one.subject in resting and _late(one, rhythms[one.subject], now)
        }
        devices = [one.sign for one in known if one.kind == "device" and one.sign is not None]
        newest = max(devices, default=now)
        gone = len(devices) > _FEW and now - newest > _NETWORK_SILENT
        if gone and all(one.subject in resting for one in known if one.kind == "device" and one.sign):
            yield _of_network(newest, now)
        for one in known:
            rhythm = rhythms[one.subject]
            at = min(now, newest) if one.kind == "device" else now
            excused = one.kind != "agent" and one.agent in silent_agents
            if one.subject in resting and not excused and _late(one, rhythm, at):
                yield _of(one, rhythm, now)

    def _rests(self, one: Subject, now: datetime) -> bool:
        if one.sign is None:
            return False
        before = self._moved.get(one.subject)
        if before is None or before[0] != one.sign:
            self._moved[one.subject] = (one.sign, now)
            return False
        return now - before[1] >= _ARRIVAL_PAUSE


def speaks(one: Subject, rhythm: Rhythm, now: datetime) -> bool:
    """Whether an open silence is over: well within the limit, so that nobody flutters at its edge."""
    return one.sign is not None and now - one.sign <= rhythm.limit / 2


def _late(one: Subject, rhythm: Rhythm, at: datetime) -> bool:
    return one.sign is not None and at - one.sign > rhythm.limit


def _of(one: Subject, rhythm: Rhythm, now: datetime) -> Trouble:
    quiet = now - (one.sign or now)
    said = "eine Meldung" if one.kind == "device" else "ein Lebenszeichen"
    if rhythm.learned:
        stumm = span(rhythm.limit, dative=True)
        why = f"Sonst kommt etwa {every(rhythm.usual)} {said}; nach {stumm} gilt es als stumm."
    else:
        why = f"Erwartet wird {every(rhythm.usual)} {said}; ein eigener Rhythmus ist noch nicht gelernt."
    return Trouble(
        EventKind.SILENT, one.subject, f"{one.name} schweigt seit {span(quiet, dative=True)}. {why}",
        one.sign or now, one.thing, detail={"limit_s": rhythm.limit.total_seconds()},
    )  # fmt: skip


def _of_network(newest: datetime, now: datetime) -> Trouble:
    return Trouble(
        EventKind.SILENT,
        NETWORK,
        f"Seit {span(now - newest, dative=True)} kommt von keinem einzigen Gerät mehr etwas an. "
        "Zu prüfen sind der Eingang (udp-ingest), der Broker und der Netzanschluss, nicht die Geräte.",
        newest,
    )
