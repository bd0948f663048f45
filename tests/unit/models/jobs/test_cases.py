"""One open case per fault, priced and explained; what a person said is learned; short records stay silent."""

from datetime import timedelta

import pytest
from small_city import NOW, fill_offices

from udp.forecasting.port import Verdict

DAY = timedelta(days=1)


def cases_of(city, thing):
    of = city.stream(thing, "energy")
    return [one for one in city.forecasts.told().cases if one.of == of]


def test_a_leak_is_one_open_case_with_its_price_and_fine_closes_it(office):
    fill_offices(office, count=2, days=110, noise=0.08, leak_days=6)
    office.cycle("verbrauch").round(NOW)
    open_ones = [one for one in cases_of(office, "zaehler-0") if one.closed_at is None]
    assert len(open_ones) == 1, open_ones
    (case,) = open_ones
    assert NOW - 7 * DAY < case.opened_at < NOW - 3 * DAY
    assert 0.5 * 6 * 24 * 9 < case.excess < 1.6 * 6 * 24 * 9
    assert case.cost_eur == pytest.approx(case.excess * 0.30)
    assert "Euro" in case.reason and "kWh" in case.reason
    assert not [one for one in cases_of(office, "zaehler-1") if one.closed_at is None]

    before = len(office.forecasts.told().cases)
    office.cycle("verbrauch").round(NOW + timedelta(minutes=10), force=True)
    assert len(office.forecasts.told().cases) == before, "no second case for one fault"

    office.forecasts.judge(case.id, Verdict.FINE, "Umbau, läuft absichtlich")
    office.cycle("verbrauch").round(NOW + timedelta(minutes=20))
    (after,) = [one for one in cases_of(office, "zaehler-0") if one.id == case.id]
    assert after.closed_at is not None and after.verdict is Verdict.FINE
    again = [
        one for one in cases_of(office, "zaehler-0") if one.closed_at is None and one.family == case.family
    ]
    assert not again, "what was fine does not alarm again"


def test_with_too_little_history_a_meter_says_so(office):
    fill_offices(office, count=2, days=30, noise=0.08)
    tally = office.cycle("verbrauch").round(NOW)
    assert tally.silent["Weniger als 60 Tage Verbrauch als Vergleich"] == 2
    (card,) = office.forecasts.told().cards
    assert "Nicht kalibriert" in card.verdict and not office.forecasts.told().cases
