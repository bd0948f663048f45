"""Which topics there are, and which changes a wildcard means."""

# ruff: noqa: E501 - tables are read line by line

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from udp.api.sensorthings.mqtt import topics
from udp.api.sensorthings.mqtt.settings import MqttSettings, is_this_machine
from udp.api.sensorthings.mqtt.topics import TopicRefused, wish
from udp.errors import ConfigurationError, NotFound

levels = st.sampled_from(["v1.1", "Things", "Things(1)", "Observations", "Datastreams(5)", "name"])
patterns = st.lists(levels | st.just("+"), min_size=1, max_size=4).flatmap(
    lambda made: st.sampled_from([made, [*made, "#"]])
)


@example(["+", "+", "#"], ["v1.1"])
@given(patterns, st.lists(levels, min_size=1, max_size=5))
def test_wildcards_mean_what_they_mean_elsewhere(pattern, topic):
    if pattern[0] not in ("v1.1", "+") or not {"+", "#"} & {*pattern}:
        return
    made = wish("/".join(pattern))
    assert (made.first(["/".join(topic)]) is not None) == topic_matches_sub(
        "/".join(pattern), "/".join(topic)
    )


REFUSED = {
    "": 0x87, "Things": 0x87, "v1.0/Things": 0x87, "/v1.1/Things": 0x87, "$SYS/#": 0x87, "$share/a/v1.1/Things": 0x9E,
    "udp/v1/gw/up": 0x87, "v1.1/Things+": 0x8F, "v1.1/#/Things": 0x8F, "v1.1/Datastreams(+)/Observations": 0x8F,
    "v1.1/+?$select=name": 0x8F, "v1.1/Things?$filter=name eq '#'": 0x8F, "v1.1/" + "x" * 3_000: 0x8F, "v1.1" + "/x" * 40: 0x8F,
}  # fmt: skip


@pytest.mark.parametrize("topic", REFUSED)
def test_what_is_no_topic_of_sensorthings_is_refused(topic):
    with pytest.raises(TopicRefused) as refused:
        wish(topic)
    assert refused.value.reason == REFUSED[topic] and len(str(refused.value)) > 20


SCOPES = {
    "#": "/v1.1", "v1.1/#": "/v1.1", "+/Things": "/v1.1/Things", "v1.1/+/Observations": "/v1.1",
    "v1.1/Datastreams(5)/#": "/v1.1/Datastreams(5)", "v1.1/Things(1)/name": "/v1.1/Things(1)/name",
    "v1.1/Observations?$select=result": "/v1.1/Observations",
}  # fmt: skip


@pytest.mark.parametrize("topic", SCOPES)
def test_a_key_must_be_good_for_everything_a_pattern_means(topic):
    assert wish(topic).scope == SCOPES[topic]


@pytest.mark.parametrize(
    "query",
    ["$expand=Datastream", "$filter=result gt 1", "$top=1", "$select=nothing", "x=1", "$select=a&$expand=b"],
)
def test_of_the_options_only_select_goes_with_a_topic(query):
    with pytest.raises(TopicRefused):
        topics.options(wish(f"v1.1/Observations?{query}"), "Observation", collection=True, value=False)
    with pytest.raises(TopicRefused, match="no options"):
        topics.options(wish("v1.1/Things(1)/name?$select=name"), "Thing", collection=False, value=True)


@pytest.mark.parametrize(
    "topic",
    ["v1.1/Things", "v1.1/Observations?a", "Observations", "v1.1/Observations(1)", "v1.0/Observations"],
)
def test_published_are_observations_only(topic):
    with pytest.raises(NotFound, match="nothing else is taken here"):
        topics.publish_path(topic)


def test_a_port_that_others_reach_needs_a_certificate(tmp_path):
    for host in ("0.0.0.0", "::", "192.0.2.1", "daten.example.de"):
        assert not is_this_machine(host)
        with pytest.raises(ValueError, match="certificate"):
            MqttSettings(host=host, port=8883)
        missing = tmp_path / "missing.pem"
        settings = MqttSettings(host=host, port=8883, certificate=missing, private_key=missing)
        with pytest.raises(ConfigurationError, match=r"missing\.pem"):
            settings.tls()
    for host in ("127.0.0.1", "::1", "localhost"):
        assert MqttSettings(host=host, port=1884).tls() is None
    with pytest.raises(ValueError, match="belong together"):
        MqttSettings(certificate=tmp_path)
    with pytest.raises(ValueError, match="mqtts://"):
        MqttSettings(public=("https://x",))
