"""What models and weather services say is kept alike in SQLite and PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from udp.errors import NotFound, StoreUnavailable
from udp.forecasting.port import (
    CITY,
    FIRST_NUMBER,
    Card,
    Case,
    Chance,
    ForecastKey,
    Kind,
    Statement,
    Verdict,
)
from udp.forecasting.sql import SqlForecasts

AT = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
SAID = Statement(
    of=7, product="abfluss", issued_at=AT, leads_s=(1800, 3600), model="runoff hybrid", fallback=False,
    reason="",
    remarks=("Regen voraus (DWD): Regenradar von 13:55 Uhr", "größer"), summary={"days": None, "x": 1.5},
    fingerprint="f" * 32, bands={"0.5": [20.0, 21.5]}, chance=Chance(80.0, (3600,), (0.25,)),
)  # fmt: skip
CARD = Card("abfluss", "pegel", AT, (7, 8), True, "In Gebrauch.", {"scores": {"a": {"crps": None}}})
CASE = Case(
    id=0, of=9, family="night", kind="leak", opened_at=AT, last_seen_at=AT, closed_at=None, strangeness=3.5,
    excess=12.0, unit="m3", cost_eur=55.2, reason="Nachts fließt Wasser",
)  # fmt: skip


@pytest.fixture
def forecasts(ledger_url: str) -> Iterator[SqlForecasts]:
    held = SqlForecasts(ledger_url)
    yield held
    held.close()


def test_everything_said_comes_back_as_it_was(forecasts, ledger_url):
    forecasts.write([SAID], [CARD], [CASE])
    other = SqlForecasts(ledger_url)  # another process
    told = other.told()
    assert told.statements == {(7, "abfluss"): SAID} and list(told.cards) == [CARD]
    assert told.cases == (replace(CASE, id=told.cases[0].id),)
    other.close()


def test_the_newest_word_replaces_the_one_before(forecasts):
    later = replace(
        SAID, issued_at=AT + timedelta(minutes=10), chance=None, bands={}, leads_s=(), reason="still"
    )
    forecasts.write([SAID, replace(SAID, of=8)], [CARD])
    forecasts.write([later], [replace(CARD, verdict="Nicht in Gebrauch.")])
    told = forecasts.told()
    assert told.statements[7, "abfluss"] == later and told.statements[8, "abfluss"].chance == SAID.chance
    assert [one.verdict for one in told.cards] == ["Nicht in Gebrauch."]


def test_what_a_person_said_of_a_case_stays(forecasts):
    forecasts.write(cases=[CASE])
    (held,) = forecasts.told().cases
    assert forecasts.judge(held.id, Verdict.FINE, "Fest im Haus").note == "Fest im Haus"
    forecasts.write(
        cases=[replace(CASE, last_seen_at=AT + timedelta(days=1), closed_at=AT + timedelta(days=2))]
    )
    (seen,) = forecasts.told().cases
    assert (seen.id, seen.verdict, seen.note) == (held.id, Verdict.FINE, "Fest im Haus")
    assert seen.closed_at == AT + timedelta(days=2)
    with pytest.raises(NotFound):
        forecasts.judge(held.id + 1, Verdict.FINE, "")


def test_numbers_are_given_once_also_to_many_at_a_time(forecasts, ledger_url):
    keys = [ForecastKey(of, Kind.QUANTILE, level) for of in range(10) for level in (0.05, 0.5)]
    keys += [ForecastKey(CITY, Kind.RAIN_OVER, 0.1), ForecastKey(CITY, Kind.NOWCAST, 0.0)]

    def ask(shift: int) -> dict[ForecastKey, int]:
        held = SqlForecasts(ledger_url)
        try:
            return dict(held.number(keys[shift:] + keys[:shift]))
        finally:
            held.close()

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, range(0, 20, 5))
    assert all(one == first for one in others) and forecasts.told().streams == first
    assert sorted(first.values()) == list(range(FIRST_NUMBER, FIRST_NUMBER + len(keys)))


def test_a_write_is_whole_or_not_at_all(forecasts):
    with pytest.raises(StoreUnavailable):
        forecasts.write([SAID, replace(SAID, of=None)])  # type: ignore[arg-type]
    assert not forecasts.told().statements
