"""An answer leaves nothing behind that only Python's collector of cycles would find: it stops all others."""

import gc
import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from udp.api.sensorthings import extents
from udp.api.sensorthings.answering import Question, answer
from udp.api.sensorthings.options import Limits
from udp.api.sensorthings.routes import Catalogues
from udp.api.sensorthings.syntax import Interval
from udp.api.view import read_views
from udp.policy import PUBLIC

QUESTIONS = [
    ("Datastreams", "$top=5&$count=true&$expand=Thing,ObservedProperty"),
    ("Datastreams", "$filter=phenomenonTime ge 2020-01-01T00:00:00Z&$orderby=phenomenonTime desc&$top=3"),
    ("Things", "$expand=Locations,Datastreams/Observations($orderby=phenomenonTime desc;$top=1)"),
    ("Things", "$filter=Datastreams/phenomenonTime ge 2020-01-01T00:00:00Z&$expand=Datastreams($count=true)"),
    ("Observations", "$filter=result gt 3 and Datastream/Thing/name ne 'x'&$count=true&$top=5"),
    ("Observations", "$orderby=phenomenonTime desc&$top=5&$count=true"),
    ("Observations", "$orderby=result desc&$top=5&$expand=Datastream,FeatureOfInterest"),
    ("Observations", "$resultFormat=dataArray&$top=20"),
    (
        "Locations",
        "$filter=geo.intersects(location,geography'POLYGON ((7 51,8 51,8 52,7 52,7 51))')&$count=true",
    ),
]


@pytest.fixture
def put(filled):
    """One question, answered without the web around it."""
    catalogues, desk = Catalogues(), filled.client.app.state.desk
    views = read_views(filled.registry, desk.gate(), None)
    known = catalogues.of(views, PUBLIC, None)

    def asked(path: str, query: str) -> str:
        question = Question("http://x/v1.1", path, query.replace(" ", "%20"), known, desk.now(), Limits())
        return answer(question, filled.store).body or ""

    return asked


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: f"{one[0]}?{one[1][:40]}")
def test_no_cycles(put, question, collector_off):
    put(*question)  # what is kept for the next ones
    gc.collect()
    for _ in range(3):
        put(*question)
    assert gc.collect() == 0


def test_only_what_is_shown_becomes_an_object(put, monkeypatch):
    made = []

    def noted(start: datetime, end: datetime) -> Interval:
        made.append(Interval(start, end))
        return made[-1]

    monkeypatch.setattr(extents, "Interval", noted)
    shown = json.loads(put("Datastreams", "$top=2&$count=true"))
    assert shown["@iot.count"] > len(shown["value"]) == len(made) == 2
