"""Fitted models on disk: read once, never changed by who asks them, never older than the file."""

from datetime import timedelta

import joblib
import numpy as np
from small_city import NOW, SmallCity, before_now, fill_bins, fill_stream

from models.jobs.artefacts import Artefacts
from models.jobs.assembly import products
from models.jobs.config import ModelSettings
from models.jobs.consumption import Judged
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
