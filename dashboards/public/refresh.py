"""One round of drawing: the first page at once, then lists, then the charts that have something new."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dashboards.interface import Interface, InterfaceRefused, InterfaceUnavailable
from dashboards.public import datasets
from dashboards.public.freshness import Freshness, freshness
from dashboards.public.history import Window, day, fetch, week
from dashboards.public.open_data import OpenData
from dashboards.public.outlook import ModelCard, fetch_cards, fetch_outlooks
from dashboards.public.pages import Moment, PublicPages
from dashboards.public.series import Series
from dashboards.public.snapshot import Funding, Place, Share, Snapshot, Stream, Value
from dashboards.public.weather import Ahead, fetch_ahead
from dashboards.reading import Unreadable

_log = logging.getLogger(__name__)

# A chart without new values still moves on with time, and gaps grow.
_REDRAW = timedelta(hours=6)
History = tuple[datetime, list[tuple[Series, Window]]]  # asked at, week and day


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a value page was drawn from; while it stays equal the page stays true."""

    stream: Stream
    place: Place
    value: Value | None
    freshness: Freshness
    outlook: datetime | None
    funding: tuple[Funding, ...]


@dataclass(slots=True)
class Round:
    """What one round did. `waiting` charts had no turn."""

    reachable: bool
    charts: int = 0
    waiting: int = 0


@dataclass(slots=True)
class PublicRefresh:
    """Keeps the public pages in step with the API; `stopping` is asked between charts.

    `charts_per_round` limits redrawing; pages this process has not drawn yet do not count, but
    when `round_limit` has passed on `clock` (seconds) even they wait for the next round.
    """

    interface: Interface
    pages: PublicPages
    now: Callable[[], datetime]
    clock: Callable[[], float]
    every: timedelta
    charts_per_round: int
    stopping: Callable[[], bool] = lambda: False
    _snapshot: Snapshot | None = None
    _simulated: Share | None = None
    _told: tuple[list[datasets.DatasetView], Share] | None = None
    _cards: tuple[list[ModelCard], Share] | None = None
    _ahead: Ahead | None = None
    _drawn: dict[int, tuple[Drawn, datetime]] = field(default_factory=dict)
    _data: OpenData = field(init=False)

    def __post_init__(self) -> None:
        self._data = OpenData(self.interface)
        self.pages.draw_assets()

    def round(self, *, everything: bool = False) -> Round:
        """Fetch and draw once; with `everything`, no chart waits."""
        began = self.clock()
        snapshot = self._fetch()
        if snapshot is None:
            return Round(reachable=False)
        moment = Moment(self.now(), limit=self._limit())
        self._ahead = self._weather()
        self.pages.draw_home(snapshot, moment, self._ahead)
        self.pages.draw_weather(self._ahead, moment)
        if self._simulated is not snapshot.simulated:
            self.pages.draw_resting(Moment(moment.now), simulated=snapshot.simulated)
            self._simulated = snapshot.simulated
        self.pages.draw_lists(snapshot, moment)
        self.pages.forget(snapshot)
        snapshot = self._with_funding(snapshot)
        self._models(snapshot)
        return self._charts(snapshot, began, everything)

    def _with_funding(self, snapshot: Snapshot) -> Snapshot:
        """Draws the page about the policy; what it says of funding belongs to the values too."""
        self._policy(snapshot)
        known = self._told[0] if self._told else []
        return replace(snapshot, funding={one.key: one.funding for one in known if one.funding})

    def _policy(self, snapshot: Snapshot) -> None:
        """Drawn when the policy has changed; its page carries no values that could age."""
        try:
            found = datasets.fetch(self.interface)
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("the page about the policy stays as it is: %s", error)
            return
        if (found, snapshot.simulated) != self._told:
            self.pages.draw_datasets(found, Moment(self.now()), simulated=snapshot.simulated)
            self._told = (found, snapshot.simulated)

    def _limit(self) -> int:
        """Fifteen rounds without a new page mean that nobody draws any more."""
        return max(900, int(15 * self.every.total_seconds()))

    def _fetch(self) -> Snapshot | None:
        try:
            snapshot = self._data.snapshot(self.now())
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("%s; the pages keep their last values", error)
            self._show_outage()
            return None
        self._snapshot = self._with_outlooks(snapshot)
        return self._snapshot

    def _with_outlooks(self, snapshot: Snapshot) -> Snapshot:
        """Measurements do not wait for forecasts: without an answer the pages do without them."""
        try:
            found = fetch_outlooks(self.interface)
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("no forecasts: %s", error)
            return snapshot
        return replace(snapshot, outlooks=found)

    def _weather(self) -> Ahead | None:
        """None where it is not public; without an answer what was said last, which tells its own age."""
        try:
            return fetch_ahead(self.interface)
        except InterfaceRefused as error:
            _log.info("no weather forecast: %s", error)
            return None
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("no new weather forecast: %s", error)
            return self._ahead

    def _models(self, snapshot: Snapshot) -> None:
        """Drawn when a model was fitted anew."""
        try:
            found = fetch_cards(self.interface)
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("the page about the models stays as it is: %s", error)
            if self._cards is not None:
                return
            found = []
        if (found, snapshot.simulated) != self._cards:
            self.pages.draw_models(found, snapshot, Moment(self.now()))
            self._cards = (found, snapshot.simulated)

    def _show_outage(self) -> None:
        now = self.now()
        if self._snapshot is None:
            self.pages.draw_waiting(Moment(now))
            return
        moment = Moment(now, outage=self._snapshot.fetched_at, limit=self._limit())
        self.pages.draw_home(self._snapshot, moment, self._ahead)
        self.pages.draw_weather(self._ahead, moment)
        self.pages.draw_lists(self._snapshot, moment)

    def _charts(self, snapshot: Snapshot, began: float, everything: bool) -> Round:
        result = Round(reachable=True)
        due = self._due(snapshot)
        redrawn = 0
        histories = self._histories(due)
        for position, stream in enumerate(due):
            known = stream.id in self._drawn
            spent = self.clock() - began > 0.9 * self.every.total_seconds()
            if self.stopping() or (
                not everything and (spent or (known and redrawn >= self.charts_per_round))
            ):
                result.waiting = len(due) - position
                break
            redrawn += known
            try:
                self._chart(snapshot, stream, next(histories)())
            except InterfaceRefused as error:
                _log.warning("no chart of datastream %d: %s", stream.id, error)
                continue
            except (InterfaceUnavailable, Unreadable) as error:
                _log.warning("charts wait: %s", error)
                result.waiting = len(due) - position
                break
            result.charts += 1
        histories.close()
        return result

    def _histories(self, due: Sequence[Stream]) -> Generator[Callable[[], History]]:
        """What each chart draws, one fetched ahead: the API works while we draw."""
        with ThreadPoolExecutor(1, thread_name_prefix="history") as ahead:
            fetched = deque([ahead.submit(self._history, stream) for stream in due[:1]])
            for following in (*due[1:], None):
                if following is not None:
                    fetched.append(ahead.submit(self._history, following))
                yield fetched.popleft().result

    def _history(self, stream: Stream) -> History:
        now = self.now()
        return now, [
            (fetch(self.interface, stream, one), one) for one in (week(stream, now), day(stream, now))
        ]

    def _due(self, snapshot: Snapshot) -> list[Stream]:
        """Never drawn first, then by how long their page has been standing."""
        now, due = self.now(), []
        for stream in snapshot.streams.values():
            known = self._drawn.get(stream.id)
            if known is None or known[0] != _source(snapshot, stream, now) or now - known[1] > _REDRAW:
                due.append((known is not None, known[1] if known else now, stream.id))
        return [snapshot.streams[number] for _, _, number in sorted(due)]

    def _chart(self, snapshot: Snapshot, stream: Stream, history: History) -> None:
        now, drawn = history
        limit = int((_REDRAW + timedelta(minutes=30)).total_seconds())
        self.pages.draw_value(snapshot, stream, Moment(now, limit=limit), drawn)
        self._drawn[stream.id] = (_source(snapshot, stream, now), now)


def _source(snapshot: Snapshot, stream: Stream, now: datetime) -> Drawn:
    value = snapshot.values.get(stream.id)
    state = freshness(value.phenomenon_time, now, stream.interval) if value else Freshness.GONE
    ahead = snapshot.outlooks.get(stream.id)
    return Drawn(
        stream,
        snapshot.place_of(stream),
        value,
        state,
        ahead.issued_at if ahead else None,
        snapshot.funding_of(stream),
    )
