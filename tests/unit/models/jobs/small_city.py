"""A small city in a real store: containers, a stream with rain, meters, a pond, all with known truth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from models.jobs.artefacts import Artefacts
from models.jobs.assembly import products
from models.jobs.config import ModelSettings
from models.jobs.cycle import Cycle
from models.jobs.parallel import ParallelSettings, Runner
from udp.forecasting.sql import SqlForecasts
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR_US = 3_600_000_000

_THING = """
[[thing]]
key = "{key}"
name = "{name}"
kind = "{kind}"
theme = "{theme}"
district = "castrop"
district_name = "Castrop"
latitude = {latitude}
longitude = 7.31
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "{number:016X}"
profile = "{profile}"
{geometry}
"""


def _thing(number, key, kind, theme, profile, *, geometry=""):
    return _THING.format(
        number=number, key=key, name=key.capitalize(), kind=kind, theme=theme, profile=profile,
        geometry=geometry, latitude=51.55 + number % 1000 / 1000,
    )  # fmt: skip


class SmallCity:
    """Registry, store and forecasts of one test; `put` writes measurements, `cycle` is what runs."""

    def __init__(self, folder, *, bins=8, meters=0, air=False):
        self.folder = folder
        measures = {"geometry": "geometry = { empty_mm = 1300.0, full_mm = 200.0 }"}
        things = [
            *(
                _thing(n + 1, f"korb-{n}", "waste_bin", "papier-und-abfall", "dingtek-df702", **measures)
                for n in range(bins)
            ),
            _thing(9101, "pegel", "stream_gauge", "regen-und-baeche", "decentlab-dl-ctd10"),
            _thing(9102, "regen", "rain_gauge", "regen-und-baeche", "decentlab-dl-tbrg"),
            _thing(9103, "teich", "pond", "teiche", "decentlab-dl-optod"),
            *(
                _thing(9200 + n, f"zaehler-{n}", "meter", "energie", "alpha-omega-klax")
                for n in range(meters)
            ),
        ]  # fmt: skip
        if air:
            things += [
                _thing(301, "wetter", "weather_station", "wetter", "decentlab-dl-atm41"),
                _thing(302, "raum", "school_room", "schulen", "elsys-ers-co2"),
            ]
        text = 'format = 1\n[city]\nname = "Probe"\nsimulated = true\n' + "".join(things)
        (folder / "city.toml").write_text(text)
        self.registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        self.registry.import_city(read_city(folder / "city.toml", load_profiles()))
        self.inventory = self.registry.inventory()
        self.store = self.opened("store")
        self.forecasts = SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")
        self.runner = Runner(ParallelSettings(backend="sequential"), progress=False)

    def opened(self, name):
        settings = StoreSettings(embedded=EmbeddedSettings(folder=self.folder / name))
        return open_store(settings, lambda: NOW + timedelta(days=30))

    def stream(self, thing, key):
        streams = self.inventory.datastreams.values()
        return next(one.id for one in streams if (one.thing, one.key) == (thing, key))

    def put(self, thing, key, times, values, **more):
        keep = np.isfinite(values)
        self.store.append(Observations.build(self.stream(thing, key), times[keep], values[keep], **more))

    def cycle(self, *names, forecasts=None, store=None, artefacts="artefacts", settings=None):
        held = forecasts or self.forecasts
        made = products(settings or ModelSettings(), held.told().cases)
        # A search of a few generations is enough for laws, which are not about accuracy.
        made = [replace(one, generations=5) if one.name == "abfluss" else one for one in made]
        chosen = [one for one in made if not names or one.name in names]
        kept = Artefacts(self.folder / artefacts)
        return Cycle(self.registry, store or self.store, held, kept, chosen, self.runner)

    def close(self):
        for one in (self.store, self.forecasts, self.registry):
            one.close()


def before_now(days, step_hours=1.0, until=NOW):
    """Times up to and with `until`."""
    end = np.datetime64(until.replace(tzinfo=None), "us")
    count = round(days * 24 / step_hours)
    return end - np.arange(count)[::-1] * np.timedelta64(round(step_hours * HOUR_US), "us")


def office_hours(times):
    """Whether somebody is at work: on weekdays from seven until eighteen."""
    hour = times.astype("datetime64[h]").astype(int) % 24
    weekday = (times.astype("datetime64[D]").astype(int) + 3) % 7
    return (weekday < 5) & (hour >= 7) & (hour < 18)


def fill_offices(city, *, count=1, days=95, until=NOW, noise=0.15, leak_days=0):
    """Meters of offices, with a noise that last week cannot know; the first leaks for the last days."""
    times = before_now(days, until=until)
    for number in range(count):
        spread = np.random.default_rng(number).normal(0, noise, len(times))
        load = np.where(office_hours(times), 20.0, 4.0) * np.exp(spread)
        if number == 0 and leak_days:
            load[-leak_days * 24 :] += 9.0
        city.put(f"zaehler-{number}", "energy", times, np.round(1000 + np.cumsum(load), 2))


def fill_bins(city, days=30, bins=8):
    """Bins that fill at a pace of their own by day and are emptied at 90 %; returns the last true fill."""
    rng = np.random.default_rng(5)
    times = before_now(days)
    hour = times.astype("datetime64[h]").astype(int) % 24
    last = {}
    for number in range(bins):
        pace = 0.5 + 0.12 * number
        fill, level = 10.0 * number, []
        for h in hour:
            fill += pace * rng.gamma(2.0, 0.5) * (1.5 if 8 <= h <= 20 else 0.2)
            if fill > 90:
                fill = 0.0
            level.append(fill)
        distance = 1300.0 - np.array(level) / 100 * 1100.0 + rng.normal(0, 10, len(times))
        city.put(f"korb-{number}", "distance", times, np.round(distance / 20) * 20)
        city.put(f"korb-{number}", "fill_level", times, np.array(level))
        last[city.stream(f"korb-{number}", "fill_level")] = level[-1]
    return last


def rain_and_level(days=30, seed=3):
    """Ten-minute rain and the level of a stream that follows it."""
    rng = np.random.default_rng(seed)
    times = before_now(days, 1 / 6)
    storm = np.repeat(rng.random(len(times) // 36 + 1) < 0.12, 36)[: len(times)]
    rain = np.where(storm, rng.gamma(0.5, 0.6, len(times)), 0.0)
    flow = np.zeros(len(times))
    for i in range(1, len(times)):
        flow[i] = 0.985 * flow[i - 1] + (0.04 * rain[i - 3] if i > 3 else 0.0)
    return times, rain, 20 + 60 * flow**0.6 + rng.normal(0, 0.2, len(times))


def fill_stream(city, days=30):
    times, rain, level = rain_and_level(days)
    city.put("regen", "precipitation_total", times, np.round(np.cumsum(rain), 1))
    city.put("pegel", "water_level", times, level)
    return times, rain, level
