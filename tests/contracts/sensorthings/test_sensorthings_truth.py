"""The conformance list tells the truth: no class without tests behind it, and none tested in secret."""

import pytest

REQ = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
SUITES = {
    "test_sensorthings_conformance.py",
    "test_sensorthings_filters.py",
    "test_sensorthings_create.py",
    "test_sensorthings_change.py",
    "test_sensorthings_mqtt.py",
}


def test_what_is_listed_is_what_was_tested(outside, request):
    """Named so that it runs behind the others, whose requests it looks at."""
    if not {one.path.name for one in request.session.items} >= SUITES or request.config.option.keyword:
        pytest.skip("only when the whole suite runs")
    page = outside.client.get("/v1.1").json()
    listed = {one.removeprefix(REQ) for one in page["serverSettings"]["conformance"]}
    assert listed == {name for name, count in outside.requests.items() if count}
