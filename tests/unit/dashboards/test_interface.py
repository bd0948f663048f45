from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dashboards.interface import Interface, InterfaceRefused, InterfaceUnavailable
from edge.wire.settings import Secret

SOON = timedelta(seconds=5)


def test_an_unchanged_answer_is_the_same_object(city: Any, api: str) -> None:
    city.place("a")
    with Interface(api, SOON) as interface:
        first = interface.get("/api/v1/things", remember=True)
        second = interface.get("/api/v1/things", remember=True)
    assert first.changed
    assert not second.changed
    assert second.content is first.content
    assert city.not_modified == 1


def test_a_refusal_tells_status_and_reason(api: str) -> None:
    with Interface(api, SOON) as interface, pytest.raises(InterfaceRefused, match=r"401: only for operators"):
        interface.get("/api/v1/operations")


def test_the_key_opens_and_stays_out_of_errors(city: Any, api: str) -> None:
    city.operations = {"now": "x"}
    with Interface(api, SOON, Secret("sesam")) as interface:
        assert interface.get("/api/v1/operations").content == {"now": "x"}
        city.down = True
        with pytest.raises(InterfaceUnavailable) as error:
            interface.get("/api/v1/operations")
    assert "sesam" not in str(error.value)


def test_a_closed_idle_connection_is_opened_again(city: Any, api: str) -> None:
    with Interface(api, SOON) as interface:
        interface.get("/api/v1/things")
        city.down = True
        with pytest.raises(InterfaceUnavailable, match="does not answer"):
            interface.get("/api/v1/things")
        city.down = False
        assert interface.get("/api/v1/things").content == {"things": []}


def test_nobody_listening_is_unavailable() -> None:
    # Port 9 (discard) needs root to be opened; nobody does.
    with Interface("http://127.0.0.1:9", SOON) as interface, pytest.raises(InterfaceUnavailable):
        interface.get("/api/v1/things")


def test_an_address_without_host_is_refused() -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        Interface("127.0.0.1:8080", SOON)
