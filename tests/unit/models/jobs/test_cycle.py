"""Laws of the round: nothing twice, nothing from the future, nothing without basis."""

from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, before_now, fill_bins, fill_stream

from models.fill_level.naive import NaiveRate
from models.jobs.artefacts import Artefact, Artefacts
from models.jobs.outcome import Fitted
from udp.errors import ConfigurationError
from udp.forecasting.port import ForecastKey, Kind
from udp.forecasting.sql import SqlForecasts
from udp.store.columns import Observations, Period

DAY = timedelta(days=1)


def published(city, forecasts, store, of, product):
    """(issued_at, lead -> level -> value) of the newest forecast."""
    told = forecasts.told()
    said = told.statements[of, product]
    numbers = {
        key.level: number
        for key, number in told.streams.items()
        if key.of == of and key.kind is Kind.QUANTILE
    }
    found = store.read(list(numbers.values()), Period(said.issued_at, said.issued_at + 9 * DAY))
    issued = found.phenomenon_time - found.lead * np.timedelta64(1_000_000, "us")
    found = found.take(issued == np.datetime64(said.issued_at.replace(tzinfo=None), "us"))
    levels = {number: level for level, number in numbers.items()}
    rows = {}
    columns = (found.datastream.tolist(), found.lead.tolist(), found.result.tolist())
    for number, lead, value in zip(*columns, strict=True):
        rows.setdefault(lead, {})[levels[number]] = value
    return said, rows


def test_a_fleet_of_bins_is_learned_and_forecast_near_the_truth(city):
    last = fill_bins(city)
    tally = city.cycle("fuellstand").round(NOW)
    assert tally.fitted == 1 and tally.asked == 8 and not tally.silent
    (card,) = city.forecasts.told().cards
    mae = {name: row["mae"] for name, row in card.content["scores"].items()}
    assert min(mae["pooled inflow rate"], mae["mean pace"]) < 0.7 * mae["persistence"]
    assert card.usable == (mae["pooled inflow rate"] <= mae["mean pace"])
    for of, truth in last.items():
        said, rows = published(city, city.forecasts, city.store, of, "fuellstand")
        assert said.issued_at == NOW and set(rows) == {h * 3600 for h in (6, 12, 24, 48, 72, 120, 168)}
        assert said.summary["fill_percent"] == pytest.approx(truth, abs=6)
        for row in rows.values():
            assert [row[level] for level in sorted(row)] == sorted(row.values())
        chance = city.forecasts.told().streams[ForecastKey(of, Kind.PROBABILITY, 80.0)]
        found = city.store.read([chance], Period(NOW, NOW + 9 * DAY)).result
        assert len(found) == 4 and (np.diff(found) >= 0).all() and (found >= 0).all() and (found <= 1).all()


def test_what_did_not_change_is_not_computed_again(city):
    fill_bins(city)
    cycle = city.cycle("fuellstand")
    cycle.round(NOW)
    again = cycle.round(NOW + timedelta(minutes=10))
    assert (again.fitted, again.asked, again.unchanged, again.values) == (0, 0, 8, 0)
    city.put("korb-3", "distance", before_now(1 / 24, until=NOW + timedelta(minutes=5)), np.array([400.0]))
    once = cycle.round(NOW + timedelta(minutes=20))
    assert (once.fitted, once.asked, once.unchanged) == (0, 1, 7)


def test_the_same_round_twice_writes_the_same_values(city):
    fill_bins(city)
    city.cycle("fuellstand").round(NOW)
    numbers = list(city.forecasts.told().streams.values())
    before = city.store.read(numbers, Period(NOW, NOW + 9 * DAY))
    city.cycle("fuellstand").round(NOW, force=True)
    after = city.store.read(numbers, Period(NOW, NOW + 9 * DAY))
    assert np.array_equal(before.result, after.result) and (after.revision == 0).all()


@pytest.mark.parametrize("product", ["fuellstand", "abfluss", "teich"])
def test_a_forecast_knows_nothing_later_than_its_issue(city, tmp_path, product):
    """Recomputed on a store that ends at the issue time, each forecast is identical."""
    fill_bins(city)
    fill_stream(city, days=15)
    fill_pond(city)
    issue = NOW - timedelta(hours=14)
    city.cycle(product).round(issue)
    told = city.forecasts.told().statements
    whole = {of: published(city, city.forecasts, city.store, of, name) for of, name in told}

    everything = list(city.inventory.datastreams)
    known = city.store.read(
        everything, Period(NOW - 60 * DAY, issue + timedelta(microseconds=1)), as_of=issue
    )
    cut = city.opened("cut")
    cut.append(known)
    alone = SqlForecasts(f"sqlite:///{tmp_path}/alone.sqlite")
    city.cycle(product, forecasts=alone, store=cut, artefacts="alone").round(issue)
    assert whole and any(rows for _, rows in whole.values())
    for (of, name), said in alone.told().statements.items():
        assert published(city, alone, cut, of, name)[1] == whole[of][1], (of, name)
        assert said == whole[of][0]


def test_a_forecast_of_the_past_uses_the_fit_of_then(city):
    fill_bins(city)
    cycle = city.cycle("fuellstand")
    cycle.round(NOW - DAY)
    then = cycle.artefacts.newest("fuellstand", "waste_bin", NOW - DAY)
    cycle.round(NOW)
    assert cycle.artefacts.newest("fuellstand", "waste_bin", NOW).fitted_at == NOW
    assert cycle.artefacts.newest("fuellstand", "waste_bin", NOW - timedelta(hours=1)).mark == then.mark
    assert cycle.artefacts.newest("fuellstand", "waste_bin", NOW - 2 * DAY) is None


def test_forecasts_are_no_measurements(city):
    fill_bins(city)
    city.cycle("fuellstand").round(NOW)
    numbers = list(city.forecasts.told().streams.values())
    assert numbers and not len(city.store.latest(numbers))
    assert min(numbers) > max(city.inventory.datastreams)


def test_a_short_record_says_why_and_shows_the_comparison(city):
    fill_stream(city, days=6)
    city.cycle("abfluss").round(NOW)
    of = city.stream("pegel", "water_level")
    said, rows = published(city, city.forecasts, city.store, of, "abfluss")
    assert said.fallback and said.model in ("persistence", "ARX without rain ahead")
    assert any("Nicht kalibriert" in one for one in said.remarks) and rows
    (card,) = city.forecasts.told().cards
    assert not card.usable and "nötig sind 7" in card.verdict


def test_a_stream_with_a_month_is_forecast_by_the_model_or_the_card_says_who_was_better(city):
    fill_stream(city, days=25)
    city.cycle("abfluss").round(NOW)
    said, rows = published(city, city.forecasts, city.store, city.stream("pegel", "water_level"), "abfluss")
    (card,) = city.forecasts.told().cards
    scores = card.content["scores"]
    best = min((n for n in scores if n != "runoff hybrid"), key=lambda name: scores[name]["crps"])
    assert card.usable == (scores["runoff hybrid"]["crps"] <= scores[best]["crps"])
    assert said.model == ("runoff hybrid" if card.usable else best)
    assert set(rows) == {1800, 3600, 10800, 21600, 43200}


def test_fitted_models_are_loaded_only_from_a_private_folder(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigurationError, match="others may write"):
        Artefacts(shared)


def test_a_torn_file_is_fitted_anew(city):
    fill_bins(city)
    cycle = city.cycle("fuellstand")
    cycle.round(NOW)
    for path in (city.folder / "artefacts").rglob("*.fit"):
        path.write_bytes(path.read_bytes()[:100])
    assert cycle.round(NOW + timedelta(minutes=10)).fitted == 1


def test_wherever_a_file_is_torn_it_is_no_model(tmp_path):
    kept = Artefacts(tmp_path)
    speaker = NaiveRate(rates={"1": 0.2}, usual=0.2, errors=np.arange(300.0))
    silent = Fitted(speaker, "a", fallback=False, reason="", card=None)
    kept.keep("fuellstand", "bin", Artefact(silent, NOW, "f"))
    assert kept.newest("fuellstand", "bin", NOW) is not None
    (path,) = tmp_path.rglob("*.fit")
    whole = path.read_bytes()
    for length in range(len(whole) - 8):  # behind that stands only the checksum
        path.write_bytes(whole[:length])
        assert kept.newest("fuellstand", "bin", NOW) is None


def fill_pond(city, days=20, until=NOW):
    times = before_now(days, 0.25, until)
    hour = (times.astype("datetime64[m]").astype(int) % 1440) / 60
    warm = 20 + 2 * np.sin((hour - 9) / 24 * 2 * np.pi)
    wobble = np.repeat(np.random.default_rng(1).normal(0, 0.4, days + 2), 96)[: len(times)]
    oxygen = 7 + 2.5 * np.sin((hour - 11) / 24 * 2 * np.pi) + wobble
    city.put("teich", "water_temperature", times, warm)
    city.put("teich", "oxygen_concentration", times, oxygen)


def test_a_pond_whose_sensor_falls_silent_is_forecast_no_longer(city):
    """An hour later nothing new is known, and what was said no longer holds."""
    evening = NOW.replace(hour=20)
    fill_pond(city, until=evening)
    of, cycle = city.stream("teich", "oxygen_concentration"), city.cycle("teich")
    assert cycle.round(evening).asked == 1 and city.forecasts.told().statements[of, "teich"].bands
    assert cycle.round(evening + timedelta(minutes=10)).asked == 0
    cycle.round(evening + timedelta(minutes=90))
    assert city.forecasts.told().statements[of, "teich"].reason == "Sauerstoff oder Wassertemperatur fehlen"
    assert cycle.round(evening + timedelta(minutes=90)).asked == 0


def test_a_pond_is_warned_in_the_evening_of_its_morning(city):
    fill_pond(city)
    evening = NOW - timedelta(hours=14)
    city.cycle("teich").round(evening)
    said, rows = published(
        city, city.forecasts, city.store, city.stream("teich", "oxygen_concentration"), "teich"
    )
    assert list(rows) == [6 * 3600] and rows[21600][0.05] < rows[21600][0.5] < rows[21600][0.95]
    assert 0 <= said.summary["probability_below"] <= 1


def test_nothing_measured_gives_no_number(city):
    tally = city.cycle().round(NOW)
    assert tally.values == 0 and sum(tally.silent.values()) == tally.asked > 0
    assert all(said.reason for said in city.forecasts.told().statements.values() if said.product != "drift")
    assert isinstance(city.store.read([1], Period(NOW - DAY, NOW)), Observations)
