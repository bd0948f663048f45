"""What somebody may write, and what is made of it before anything is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from udp.citizens.application import ApplicationRefused, check
from udp.citizens.offer import theme_of
from udp.citizens.place import rounded
from udp.devices.settings import DeviceSettings

from .conftest import WRITTEN, Town


@given(st.floats(51.50, 51.62), st.floats(7.20, 7.45))
def test_a_rounded_place_is_near_and_hides_where_in_its_cell(latitude: float, longitude: float) -> None:
    place = rounded(latitude, longitude)
    _, _, metres = Geod(ellps="WGS84").inv(longitude, latitude, place[1], place[0])
    assert metres <= 72  # half the diagonal of 100 m, and a metre for the digits
    assert rounded(*place) == place


def test_the_exact_place_is_kept_only_by_explicit_consent(town: Town) -> None:
    coarse, _ = town.apply()
    exact, _ = town.apply(exact=True, devices=["70B3D57ED0000002"])
    assert (exact.latitude, exact.longitude) == (51.58312, 7.35111)
    assert (coarse.latitude, coarse.longitude) == rounded(51.58312, 7.35111)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " x "}, "titel"),
        ({"title": "<script>alert(1)</script>"}, "titel"),
        ({"title": "Balkon\u202egnp.exe"}, "titel"),
        ({"name": ""}, "name"),
        ({"mail": "erika"}, "mail"),
        ({"mail": "a@b.de\nBcc: c@d.de"}, "mail"),
        ({"latitude": "1e1"}, "breite"),
        ({"latitude": "nan"}, "breite"),
        ({"latitude": "7.35"}, "breite"),
        ({"longitude": ""}, "laenge"),
        ({"district": "entenhausen"}, "ortsteil"),
        ({"kind": "gateway-statistics"}, "geraet"),
        ({"devices": []}, "dev_eui"),
        ({"devices": ["70B3D57ED000000"]}, "dev_eui"),
        ({"devices": ["70B3D57ED0000001", "70b3d57ed0000001"]}, "dev_eui"),
        ({"devices": ["70B3D57ED0000001", "70B3D57ED0000002", "70B3D57ED0000003"]}, "dev_eui"),
        ({"fields": []}, "felder"),
        ({"fields": [("t", "parking_occupied")]}, "felder"),
        ({"fields": [("t", "air_temperature"), ("t2", "air_temperature")]}, "felder"),
        ({"interval_minutes": "0"}, "abstand"),
        ({"licence": "proprietary"}, "lizenz"),
        ({"consent": ""}, "einwilligung"),
        ({"consent": "2020-01-01"}, "einwilligung"),
    ],
)
def test_a_mistake_is_told_beside_its_field(town: Town, changes: dict[str, object], field: str) -> None:
    with pytest.raises(ApplicationRefused) as refused:
        check(replace(WRITTEN, **changes), town.offer, DeviceSettings(), most_devices=2)  # type: ignore[arg-type]
    assert list(refused.value.problems) == [field]
    assert refused.value.problems[field].endswith((".", "name@beispiel.de"))


def test_nothing_that_tells_about_people_is_offered(town: Town) -> None:
    offered = set(town.offer.choices)
    offered |= {
        one.observed_property.key
        for profile in town.offer.kinds.values()
        for one in profile.channels
        if one.access is None
    }
    assert {"air_temperature", "pm2_5", "soil_moisture"} <= offered
    assert not offered & {"co2", "parking_occupied", "energy", "power", "volume", "sound_level", "fill_level"}
    assert all(theme_of(one) for one in town.offer.kinds.values())
    assert len(town.offer.kinds) >= 8
