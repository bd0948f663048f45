"""Fitted models on disk: read once, never changed by who asks them, never older than the file."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import joblib
import numpy as np
from small_city import NOW, SmallCity, before_now, fill_bins, fill_stream

from models.jobs.artefacts import FORM, Artefacts
from models.jobs.assembly import products
from models.jobs.config import ModelSettings
from models.jobs.consumption import Judged
from models.jobs.trace import Trace
from models.series import instant


def kept(city, artefacts):
    """Every fit by product and group, as `newest` gives it."""
    found = {}
    for product in products(ModelSettings()):
        for group in product.groups(city.inventory):
            if (one := artefacts.newest(product.name, group.name, NOW + timedelta(days=2))) is not None:
                found[product.name, group.name] = one
    return found


def test_no_answer_changes_the_fit_it_comes_from(tmp_path):
    city = SmallCity(tmp_path, bins=4, meters=1)
    fill_bins(city, bins=4)
    fill_stream(city)
    times = before_now(110)
    use = np.random.default_rng(0).gamma(4.0, 2.0, len(times))
    use[-5 * 24 :] += 30.0
    city.put("zaehler-0", "energy", times, np.cumsum(use))
    cycle = city.cycle()
    cycle.round(NOW)
    fine = Judged("night", instant(NOW - timedelta(days=5)), instant(NOW), fine=True)
    for product in cycle.products:
        if product.name == "verbrauch":
            object.__setattr__(product, "judged", {city.stream("zaehler-0", "energy"): (fine,)})
    before = {name: joblib.hash(one) for name, one in kept(city, cycle.artefacts).items()}
    assert {name for name, _ in before} >= {"fuellstand", "abfluss", "verbrauch", "last"}
    held = kept(city, cycle.artefacts)
    cycle.round(NOW + timedelta(hours=7), fit=False, force=True)
    assert {name: joblib.hash(one) for name, one in held.items()} == before
    assert all(cycle.artefacts.newest(*name, NOW + timedelta(days=2)) is one for name, one in held.items())
    city.close()


def test_a_fit_kept_by_another_process_is_seen_at_once(city):
    fill_bins(city)
    city.cycle("fuellstand").round(NOW)
    ours, theirs = (Artefacts(city.folder / "artefacts") for _ in range(2))
    (group,) = {path.parent.name for path in (city.folder / "artefacts").rglob("*.fit")}
    first = ours.newest("fuellstand", group, NOW)
    assert first is not None
    assert ours.newest("fuellstand", group, NOW) is first
    later = type(first)(first.fitted, first.fitted_at, "another record")
    theirs.keep("fuellstand", group, later)
    assert ours.newest("fuellstand", group, NOW).fingerprint == "another record"
    assert ours.newest("fuellstand", group, NOW - timedelta(days=1)) is None


def test_the_service_and_a_person_keep_what_they_read_at_the_same_time(tmp_path):
    def keep_often(number):
        mine = Artefacts(tmp_path)
        mine.traces("fuellstand", "korb")["measured 0"] = Trace((number,))
        for _ in range(200):
            mine.keep_traces("fuellstand", "korb")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(keep_often, range(3)))
    assert Artefacts(tmp_path).traces("fuellstand", "korb")["measured 0"].datastreams in {(0,), (1,), (2,)}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_forecast_is_said_also_where_what_was_read_cannot_be_kept(city):
    fill_bins(city)
    city.cycle("fuellstand").round(NOW, forecast=False)
    (folder,) = {path.parent for path in (city.folder / "artefacts").rglob("*.fit")}
    (folder / f"read-{FORM}.trace").mkdir()
    assert city.cycle("fuellstand").round(NOW, fit=False).asked
