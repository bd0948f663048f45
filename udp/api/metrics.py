"""Figures for Prometheus: the API's own, and the ledger's as they stand at the moment of asking."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from udp.api.live import LiveFeed
from udp.api.sensorthings.mqtt.listener import Listener
from udp.events.port import Event, EventKind
from udp.ledger.port import Gap, Report

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMetrics:
    """How long requests took, by route as written in the code: callers cannot make new labels."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "udp_api_request_seconds",
            "Time until the answer was sent",
            ("route", "method", "status"),
            registry=self._registry,
            buckets=_BUCKETS,
        )

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        self._seconds.labels(route, method, str(status)).observe(seconds)

    def text(self) -> bytes:
        """In the exposition format."""
        return generate_latest(self._registry)


def build_text(version: str) -> bytes:
    """Which program answers, in the exposition format."""
    registry = CollectorRegistry()
    build = GaugeMetricFamily("udp_build_info", "1, labelled with the version that runs", labels=["version"])
    build.add_metric([version], 1)
    registry.register(_Figures([build]))
    return generate_latest(registry)


def ledger_text(report: Report, feed: LiveFeed, now: datetime, agent_shown: Callable[[str], bool]) -> bytes:
    """The ledger and the listeners in the exposition format; `agent_shown` is the gate for labels."""
    registry = CollectorRegistry()
    registry.register(_Figures([*_ledger(report, now, agent_shown), *_listeners(feed)]))
    return generate_latest(registry)


def events_text(opened: Sequence[Event]) -> bytes:
    """Open events by kind, in the exposition format."""
    registry = CollectorRegistry()
    family = GaugeMetricFamily("udp_events_open", "Open events: silent, stuck, battery", labels=["kind"])
    for kind in EventKind:
        family.add_metric([kind.value], sum(one.kind is kind for one in opened))
    registry.register(_Figures([family]))
    return generate_latest(registry)


def mqtt_text(listener: Listener) -> bytes:
    """SensorThings by MQTT, in the exposition format."""
    registry = CollectorRegistry()
    registry.register(_Figures([*_mqtt(listener)]))
    return generate_latest(registry)


def _mqtt(listener: Listener) -> Iterator[Metric]:
    name, figures = "udp_sensorthings_mqtt", listener.figures
    yield GaugeMetricFamily(f"{name}_clients", "Clients connected now", listener.clients)
    yield GaugeMetricFamily(f"{name}_subscriptions", "Subscriptions they have now", listener.subscriptions)
    yield GaugeMetricFamily(f"{name}_waiting", "Messages that clients have not taken yet", listener.waiting)
    yield CounterMetricFamily(f"{name}_sent", "Messages to clients", figures.sent)
    yield CounterMetricFamily(f"{name}_created", "Observations created by MQTT", figures.created)
    yield CounterMetricFamily(
        f"{name}_missed_appends", "Appends forgotten before they were told", figures.missed
    )
    refused = CounterMetricFamily(f"{name}_refused", "What clients were refused", labels=["wanted"])
    for wanted, count in sorted(figures.refused.items()):
        refused.add_metric([wanted], count)
    yield refused
    dropped = CounterMetricFamily(f"{name}_dropped", "Clients that were disconnected", labels=["reason"])
    for reason, count in sorted(figures.dropped.items()):
        dropped.add_metric([reason], count)
    yield dropped


class _Figures(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _ledger(report: Report, now: datetime, shown: Callable[[str], bool]) -> Iterator[Metric]:
    counters = GaugeMetricFamily(
        "udp_ledger_figure", "Counters and gauges of ingest by name, since the ledger began", labels=["name"]
    )
    for name, value in sorted(report.counters.items()):
        counters.add_metric([name], value)
    yield counters
    yield GaugeMetricFamily("udp_quarantine_entries", "Deliveries that could not be used", report.quarantine)
    conditions = GaugeMetricFamily("udp_condition", "1 while something is wrong", labels=["subject"])
    for subject in sorted(report.conditions):
        conditions.add_metric([subject], 1)
    yield conditions
    yield from _devices(report, now)
    yield from _gateways(report, shown)
    yield from _agents(report, shown)
    yield from _gaps([gap for gap in report.gaps if shown(gap.agent)])


def _devices(report: Report, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily("udp_devices", "Devices ever heard", len(report.devices))
    heard = sum((now - one.last_received_at).total_seconds() < 86400 for one in report.devices)
    yield GaugeMetricFamily("udp_devices_heard_today", "Devices heard within 24 hours", heard)
    for name, text in (
        ("uplinks", "Uplinks handled"),
        ("duplicates", "Further deliveries of uplinks already handled"),
        ("lost", "Uplinks never heard, by gaps in the frame counters"),
    ):
        total = sum(getattr(one, name) for one in report.devices)
        yield CounterMetricFamily(f"udp_device_{name}", text, total)


def _gateways(report: Report, shown: Callable[[str], bool]) -> Iterator[Metric]:
    times = GaugeMetricFamily(
        "udp_gateway_last_received_timestamp_seconds",
        "When the gateway last heard a device",
        labels=["gateway"],
    )
    counts = CounterMetricFamily("udp_gateway_receptions", "Frames heard", labels=["gateway"])
    for one in report.gateways:
        if shown(one.gateway):
            times.add_metric([one.gateway], one.last_received_at.timestamp())
            counts.add_metric([one.gateway], one.receptions)
    yield times
    yield counts


def _agents(report: Report, shown: Callable[[str], bool]) -> Iterator[Metric]:
    times = GaugeMetricFamily(
        "udp_agent_last_journalled_timestamp_seconds",
        "When the agent's last message was journalled",
        labels=["agent"],
    )
    highest = GaugeMetricFamily("udp_agent_highest_sequence", "Its highest sequence number", labels=["agent"])
    for one in report.agents:
        if shown(one.agent):
            times.add_metric([one.agent], one.last_journalled_at.timestamp())
            highest.add_metric([one.agent], one.highest_sequence)
    yield times
    yield highest


def _gaps(gaps: Sequence[Gap]) -> Iterator[Metric]:
    """`lost` gaps never close: the agent no longer holds their messages."""
    labels = ["agent", "state"]
    ranges = GaugeMetricFamily("udp_gaps", "Runs of sequence numbers that have not come", labels=labels)
    messages = GaugeMetricFamily("udp_gap_messages", "Messages within them", labels=labels)
    oldest = GaugeMetricFamily(
        "udp_gap_oldest_noticed_timestamp_seconds", "When the oldest of them was noticed", labels=labels
    )
    newest = GaugeMetricFamily(
        "udp_gap_newest_noticed_timestamp_seconds", "When the newest of them was noticed", labels=labels
    )
    count, size = Tally[tuple[str, str]](), Tally[tuple[str, str]]()
    noticed: dict[tuple[str, str], list[float]] = {}
    for gap in gaps:
        key = (gap.agent, "lost" if gap.lost else "open")
        count[key] += 1
        size[key] += gap.last - gap.first + 1
        noticed.setdefault(key, []).append(gap.noticed_at.timestamp())
    for key in sorted(count):
        ranges.add_metric(key, count[key])
        messages.add_metric(key, size[key])
        oldest.add_metric(key, min(noticed[key]))
        newest.add_metric(key, max(noticed[key]))
    yield from (ranges, messages, oldest, newest)


def _listeners(feed: LiveFeed) -> Iterator[Metric]:
    yield GaugeMetricFamily("udp_api_listeners", "Clients of /api/v1/live now", feed.listening)
    yield CounterMetricFamily("udp_api_listeners_dropped", "Listeners that were too slow", feed.dropped)
