"""Official warnings reach the app in their own words, and nobody takes a silent service for peace."""

import io
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as some

from udp.api.mobile.warned import answer_of
from udp.registry.database import Database
from udp.weather.cap import PATH, read_warnings
from udp.weather.download import Downloads, SourceUnusable
from udp.weather.warning_state import NAME, SqlWarnings, WarningRound

NOW = datetime(2026, 7, 4, 14, 3, tzinfo=UTC)
HERE, ELSEWHERE = "805562004", "806634004"


def alert(name="1", *, event="STARKREGEN", severity="Moderate", cell=HERE, status="Actual", kind="Alert",
          references="", urgency="Immediate", expires="2026-07-04T18:00:00+02:00", altitude="0.0",
          description="Es tritt Starkregen auf."):  # fmt: skip
    """As the service writes one, in the order of CAP 1.2; with two areas: a polygon, a municipality."""
    said = f"<references>{references}</references>" if references else ""
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>2.49.0.0.276.0.DWD.PVW.{name}.DE</identifier><sender>opendata@dwd.de</sender>
  <sent>2026-07-04T15:21:00+02:00</sent><status>{status}</status><msgType>{kind}</msgType><source>PVW</source>
  <scope>Public</scope><code>id:2.49.0.0.276.0.DWD.PVW.{name}</code>{said}
  <info><language>de-DE</language><category>Met</category><event>{event}</event><responseType>Prepare</responseType>
    <urgency>{urgency}</urgency><severity>{severity}</severity><certainty>Likely</certainty>
    <eventCode><valueName>PROFILE_VERSION</valueName><value>2.1.13</value></eventCode>
    <eventCode><valueName>II</valueName><value>61</value></eventCode>
    <effective>2026-07-04T15:21:00+02:00</effective><onset>2026-07-04T15:30:00+02:00</onset><expires>{expires}</expires>
    <senderName>Deutscher Wetterdienst</senderName><headline>Amtliche WARNUNG vor {event}</headline>
    <description>{escape(description)}</description><instruction>Keller schließen.</instruction>
    <web>https://www.wettergefahren.de</web><contact>Deutscher Wetterdienst</contact>
    <area><areaDesc>polygonal event area</areaDesc><polygon>51.5,7.2 51.6,7.2 51.6,7.4 51.5,7.2</polygon>
      <altitude>{altitude}</altitude><ceiling>9842.5197</ceiling></area>
    <area><areaDesc>Stadt Castrop-Rauxel</areaDesc>
      <geocode><valueName>WARNCELLID</valueName><value>{cell}</value></geocode>
      <altitude>{altitude}</altitude><ceiling>9842.5197</ceiling></area>
  </info>
</alert>"""


def archive(*alerts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for number, one in enumerate(alerts):
            made.writestr(f"{number}.xml", one)
    return out.getvalue()


def test_a_warning_is_told_in_its_own_words():
    words = 'Niederschlag 15 bis 25 l/m² & "mehr" <örtlich>.'
    (found,) = read_warnings(archive(alert(description=words), alert("2", cell=ELSEWHERE)), [HERE])
    assert found.description == words
    assert (found.event, found.level, found.area) == ("STARKREGEN", 2, "Stadt Castrop-Rauxel")
    assert found.onset == datetime(2026, 7, 4, 13, 30, tzinfo=UTC)
    assert not found.ahead


def test_the_most_severe_comes_first_and_a_warning_for_heights_says_so():
    found = read_warnings(
        archive(
            alert("1", severity="Minor"), alert("2", severity="Extreme"), alert("3", altitude="1968.5039")
        ),
        [HERE],
    )
    assert [one.level for one in found] == [4, 2, 1]
    assert found[1].above_m == 600


def test_an_update_replaces_and_a_cancel_takes_back():
    def named(name):
        return f"opendata@dwd.de,2.49.0.0.276.0.DWD.PVW.{name}.DE,2026-07-04T15:21:00+02:00"

    stronger = alert("2", kind="Update", severity="Severe", references=named("1"))
    assert [one.level for one in read_warnings(archive(alert("1"), stronger), [HERE])] == [3]
    both = f"{named('1')} {named('2')}"
    assert (
        read_warnings(archive(alert("1"), stronger, alert("3", kind="Cancel", references=both)), [HERE]) == []
    )


@pytest.mark.parametrize("status", ["Test", "Exercise", "System", "Draft"])
def test_a_test_of_the_service_is_no_warning(status):
    assert read_warnings(archive(alert(status=status)), [HERE]) == []


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&z;</identifier></alert>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&x;</identifier></alert>"""


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", archive("<html/>"), archive("<alert"), archive(BOMB), archive(OUTSIDE),
     archive(alert().replace("cap:1.2", "cap:1.1")), archive(alert(expires="2026-07-04T18:00:00")),
     archive(alert(expires="soon")), archive(*["<a/>"] * 2_001), archive(alert())[:-30]],
)  # fmt: skip
def test_what_is_no_such_archive_is_refused(content):
    with pytest.raises(SourceUnusable):
        read_warnings(content, [HERE])


@given(some.binary(max_size=300), some.integers(0, 400))
def test_no_damage_ends_otherwise_than_refused_or_read(octets, at):
    whole = archive(alert())
    with suppress(SourceUnusable):
        read_warnings(whole[:at] + octets + whole[at + len(octets) :], [HERE])


@pytest.fixture
def world(shelf, tmp_path):
    class World:
        now = NOW

    made = World()
    made.kept = SqlWarnings(Database(f"sqlite:///{tmp_path}/registry.sqlite"))
    made.round = WarningRound(made.kept, Downloads(shelf.url, 5.0), [HERE], lambda: made.now)
    made.shelf = shelf
    made.answer = lambda: answer_of(made.kept.read(), made.now)
    return made


def test_before_anybody_was_asked_nothing_is_known(world):
    assert (world.answer()["zustand"], world.answer()["quelle"]) == ("unbekannt", None)


def test_the_state_is_kept_and_unchanged_means_known_until_now(world):
    world.shelf.files[PATH] = archive(alert())
    assert world.round.round() == {NAME: ""}
    told = world.answer()
    assert (told["zustand"], told["anzahl"], told["quelle"]) == ("aktuell", 1, "Deutscher Wetterdienst")
    (one,) = told["warnungen"]
    assert (one["stufe"], one["farbe"], one["beginn"], one["ende"]) == (
        2, "orange", "2026-07-04T13:30:00Z", "2026-07-04T16:00:00Z",
    )  # fmt: skip
    world.now += timedelta(minutes=40)
    assert world.answer()["zustand"] == "unbekannt"
    assert world.round.round() == {NAME: ""}
    assert world.shelf.asked[-1][1] == 304
    assert world.answer()["zustand"] == "aktuell"
    assert world.answer()["stand"] == "2026-07-04T14:43:00Z"


def test_what_has_ended_is_not_told_any_more(world):
    world.shelf.files[PATH] = archive(alert())
    world.round.round()
    world.now = datetime(2026, 7, 4, 16, 0, tzinfo=UTC)
    assert world.answer()["warnungen"] == []


def test_peace_is_only_told_while_the_service_answers(world):
    world.shelf.files[PATH] = archive(alert(cell=ELSEWHERE))
    world.round.round()
    assert (world.answer()["zustand"], world.answer()["anzahl"]) == ("aktuell", 0)
    world.shelf.files[PATH] = 503
    world.now += timedelta(minutes=31)
    said = world.round.round()[NAME]
    assert "Stand 04.07.2026 14:03" in said and "503" in said
    told = world.answer()
    assert told["zustand"] == "unbekannt"
    assert "unbekannt" in told["hinweis"]


def test_rubbish_does_not_wipe_out_what_was_known(world):
    world.shelf.files[PATH] = archive(alert())
    world.round.round()
    world.shelf.files[PATH] = b"<html>Wartung</html>"
    assert "no zip" in world.round.round()[NAME]
    assert world.answer()["anzahl"] == 1
