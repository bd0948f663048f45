"""What ingest writes for operators becomes German for citizens; the words of others stay quotations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.identifiers import DevEUI
from ingest.heard import Unusable
from ingest.sources import things_stack
from udp.api.citizens.reasons import Reason, reason

DEVICE = DevEUI.parse("70B3D57ED0000001")


@pytest.mark.parametrize(
    ("octets", "begins"),
    [
        (b"{", "Die Nachricht ist kein Objekt in JSON."),
        (b"[1]", "Die Nachricht ist kein Objekt in JSON."),
        (b"{}", "Die Nachricht enthält keine „uplink_message“."),
        (b'{"uplink_message": {}}', "In der Nachricht von The Things Stack fehlt etwas"),
    ],
)
def test_what_the_reader_of_webhooks_refuses_is_told_in_german(octets: bytes, begins: str) -> None:
    with pytest.raises(Unusable) as refused:
        things_stack.read("", octets)
    assert reason(f"{refused.value.reason}; {refused.value.remedy}").text.startswith(begins)


def test_the_words_of_a_codec_stay_what_they_were() -> None:
    told = reason(
        f"device {DEVICE}, codec javascript:x.js, FPort 2: {{odd}}; length; check the device's profile (x) "
        "and firmware; replay after the correction"
    )
    assert told.quoted == "{odd}; length"
    assert "javascript:x.js" in told.text


def test_a_clock_that_stands_still_is_told_in_german() -> None:
    told = reason(
        f"device {DEVICE}: its clock stands still: Datastream 7 has 1000 different values of "
        "2026-11-20 12:00:00 UTC already; set the clock"
    )
    assert told == Reason(
        "Die Uhr des Geräts steht: Von 2026-11-20 12:00:00 UTC gibt es schon 1000 verschiedene Werte."
    )


@given(st.text(min_size=1))
def test_nothing_said_is_ever_left_out(detail: str) -> None:
    told = reason(detail)
    assert told.text
    assert told == reason(detail)
    assert told.quoted == detail or told.text != "Das System gibt als Grund an:"


def test_nothing_said_is_nothing_shown() -> None:
    assert reason("") == Reason()
