"""Everything is confirmed in the end, what is new goes first, and never too much is under way."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.outbox import Outbox, SendingSettings, Span, Why

SETTINGS = SendingSettings(window=5, max_messages=4, first_patience_s=10.0, longest_patience_s=60.0, lag=30)


def outbox(floor: int = 1, newest: int = 0) -> Outbox:
    box = Outbox(SETTINGS, random.Random(1))
    box.begin(floor, newest)
    return box


def when_due(box: Outbox, now: float, newest: int) -> float:
    """The first tenth of a second at which there is something to send."""
    return next(moment for step in range(10_000) if box.next(moment := now + step / 10, newest) is not None)


def test_what_is_new_goes_before_what_waited() -> None:
    box = outbox(1, 100)
    assert box.next(0.0, 100) == Span(1, 100, Why.HISTORY)
    assert box.next(0.0, 101) == Span(101, 101, Why.LIVE)


def test_history_leaves_room_for_what_is_new() -> None:
    box = outbox(1, 100)
    sent = 0
    while (span := box.next(0.0, 100)) is not None:
        box.sent(span, span.first, span.first + 3, 0.0)
        sent += 1
    assert sent == SETTINGS.window - 2
    assert box.next(0.0, 101) == Span(101, 101, Why.LIVE)


def test_unconfirmed_goes_again_later_and_later() -> None:
    box = outbox()
    span = box.next(0.0, 4)
    assert span is not None
    box.sent(span, 1, 4, 0.0)
    now, waits = 0.0, []
    for _ in range(6):
        due = when_due(box, now, 4)
        waits.append(due - now)
        now = due
        span = box.next(now, 4)
        assert span == Span(1, 4, Why.AGAIN)
        box.sent(span, 1, 4, now)
    assert waits[0] == pytest.approx(10, rel=0.2)
    assert waits[1] == pytest.approx(20, rel=0.2)
    assert waits[-1] == pytest.approx(60, rel=0.2)


def test_three_days_without_a_receipt_are_survived_and_one_receipt_settles_all() -> None:
    box = outbox()
    now, attempts = 0.0, 0
    while now < 72 * 3600.0:
        while (span := box.next(now, 20)) is not None:
            box.sent(span, span.first, min(span.last, span.first + 3), now)
            attempts += 1
        due = when_due(box, now, 20)
        assert now < due <= now + 60 * 1.2
        now = due
    assert attempts > SETTINGS.window * 1024
    assert box.under_way == SETTINGS.window
    box.confirmed([(1, 20)])
    assert box.under_way == 0
    assert box.next(now, 20) is None


def test_a_new_connection_makes_the_unconfirmed_due_at_once() -> None:
    box = outbox()
    span = box.next(0.0, 4)
    assert span is not None
    box.sent(span, 1, 4, 0.0)
    assert box.next(1.0, 4) is None
    box.connected(4)
    assert box.next(1.0, 4) == Span(1, 4, Why.AGAIN)


def test_a_long_silence_makes_history_of_what_was_new() -> None:
    box = outbox()
    box.connected(50)
    assert box.next(0.0, 51) == Span(51, 51, Why.LIVE)
    span = box.next(0.0, 51)
    assert span is not None
    box.sent(span, 51, 51, 0.0)
    assert box.next(0.0, 51) == Span(1, 50, Why.HISTORY)


def test_a_receipt_for_a_part_leaves_the_rest_to_be_sent_again() -> None:
    box = outbox()
    span = box.next(0.0, 4)
    assert span is not None
    box.sent(span, 1, 4, 0.0)
    box.confirmed([(1, 2)])
    assert box.under_way == 1
    box.confirmed([(1, 4)])
    assert box.under_way == 0


def test_what_is_refused_frees_its_place_and_is_tried_again_much_later() -> None:
    box = outbox()
    for first in range(1, 21, 4):  # as many as the window holds, each refused
        span = box.next(0.0, first + 3)
        assert span == Span(first, first + 3, Why.LIVE)
        box.sent(span, first, first + 3, 0.0)
    assert box.next(0.0, 24) is None
    for first in range(1, 21, 4):
        box.refuse(first, first + 3, 0.0, too_large=False)
    assert (box.under_way, box.refused) == (0, 20)
    assert box.next(0.0, 24) == Span(21, 24, Why.LIVE)
    span = box.next(0.0, 24)
    assert span is not None
    box.sent(span, 21, 24, 0.0)
    box.refuse(21, 24, 1800.0, too_large=False)
    assert box.next(3599.0, 24) is None
    assert box.next(3600.0, 24) == Span(1, 24, Why.HISTORY)
    assert box.refused == 0


def test_what_is_refused_once_more_is_set_aside_once_more() -> None:
    box = outbox()
    now, attempts = 0.0, 0
    while now < 6 * 3600:
        while (span := box.next(now, 3)) is not None:
            box.sent(span, span.first, span.last, now)
            box.refuse(span.first, span.last, now, too_large=False)
            attempts += 1
        assert box.refused == 3
        now += 60
    assert attempts == 6


def test_what_is_too_large_is_sent_in_halves_until_one_message_is_left() -> None:
    box = outbox(1, 8)
    passed: list[tuple[int, int]] = []
    for _ in range(20):
        span = box.next(0.0, 8)
        if span is None:
            break
        box.sent(span, span.first, span.last, 0.0)
        if span.first <= 6 <= span.last:  # message 6 is larger than the receiver takes
            box.refuse(span.first, span.last, 0.0, too_large=True)
        else:
            passed.append((span.first, span.last))
            box.confirmed([(span.first, span.last)])
    assert sorted(passed) == [(1, 4), (5, 5), (7, 8)]
    assert (box.refused, box.under_way) == (1, 0)


def test_an_answer_to_an_earlier_round_changes_nothing() -> None:
    box = outbox()
    span = box.next(0.0, 4)
    assert span is not None
    box.sent(span, 1, 4, 0.0)
    box.refuse(1, 9, 0.0, too_large=False)
    box.refuse(7, 9, 0.0, too_large=False)
    assert (box.under_way, box.refused) == (1, 0)


def test_a_window_without_room_for_news_is_refused() -> None:
    with pytest.raises(ValueError, match="window 2"):
        SendingSettings(window=2)


class Line(RuleBasedStateMachine):
    """A spool that grows and drops, a line that loses envelopes and receipts, restarts at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: set[int] = set()
        self.newest = 0
        self.now = 0.0
        self.receipts: list[tuple[int, int]] = []
        self.box = outbox()

    @rule(count=st.integers(1, 40))
    def hear(self, count: int) -> None:
        self.rows |= set(range(self.newest + 1, self.newest + count + 1))
        self.newest += count

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        if self.rows:
            self.rows -= data.draw(st.sets(st.sampled_from(sorted(self.rows)), max_size=10))

    @rule(lost=st.booleans())
    def send(self, lost: bool) -> None:
        self._send(lost=lost)

    def _send(self, *, lost: bool) -> bool:
        span = self.box.next(self.now, self.newest)
        if span is None:
            return False
        rows = sorted(row for row in self.rows if span.first <= row <= span.last)
        if not rows:
            self.box.vanished(span)
            return True
        last = rows[0]
        while last + 1 in self.rows and last + 1 <= span.last and last - rows[0] + 1 < SETTINGS.max_messages:
            last += 1
        self.box.sent(span, rows[0], last, self.now)
        if not lost:
            self.receipts.append((rows[0], last))
        return True

    @rule(lost=st.booleans())
    def receive(self, lost: bool) -> None:
        if self.receipts:
            first, last = self.receipts.pop(0)
            if not lost:
                self.rows -= set(range(first, last + 1))
                self.box.confirmed([(first, last)])

    @rule(too_large=st.booleans())
    def refuse(self, too_large: bool) -> None:
        if self.receipts:
            self.box.refuse(*self.receipts.pop(0), self.now, too_large=too_large)

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def reconnect(self) -> None:
        self.box.connected(self.newest)

    @rule()
    def restart(self) -> None:
        self.receipts.clear()
        self.box.begin(min(self.rows, default=self.newest + 1), self.newest)

    @invariant()
    def the_window_is_kept(self) -> None:
        # A gap inside a flight may split it once it is repeated, hence no strict bound on repeats.
        assert self.box.under_way <= SETTINGS.window

    def teardown(self) -> None:
        for _ in range(10_000):
            while self._send(lost=False):
                pass
            self.receive(lost=False)
            if not self.rows:
                break
            if not self.receipts:
                self.now += 1000
        assert not self.rows, "some messages are never sent"


Line.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLine = Line.TestCase
