"""What the public may see at one moment: places, their Datastreams and the newest values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from dashboards.public.outlook import Outlook
from udp.sensorthings import Quality, QualityRule


class Share(IntEnum):
    """How much of what a page shows is simulated: what is measured must not be called so."""

    NOTHING = 0
    SOME = 1
    ALL = 2

    @classmethod
    def of(cls, simulated: Iterable[bool]) -> Share:
        """Of single ones; nothing of nothing."""
        found = set(simulated)
        return cls.NOTHING if True not in found else cls.SOME if False in found else cls.ALL

    @property
    def partly(self) -> bool:
        """Some and not all."""
        return self is Share.SOME


@dataclass(frozen=True, slots=True)
class Place:
    """A measuring point: a Thing as the pages need it. `district` is empty where nobody named one."""

    key: str
    name: str
    kind: str
    theme: str
    district: str
    district_name: str
    simulated: bool
    citizen: bool = False


@dataclass(frozen=True, slots=True)
class Funding:
    """Who paid for a dataset; `link` and `logo` (a path on this site) may be empty."""

    text: str
    link: str = ""
    logo: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """A Datastream as the pages need it; `unit` is the UCUM code, `unit_name` German.

    `finest`: the step in which its history is open, zero where it is as measured. `notice` must stand
    wherever its values do, e.g. "Bürgersensor, ungeprüft".
    """

    id: int
    name: str
    place: str
    observed_property: str
    property_name: str
    unit: str
    unit_name: str
    licence: str
    sensor: str
    interval: timedelta
    finest: timedelta = timedelta(0)
    notice: str = ""
    datasets: tuple[str, ...] = ()

    @property
    def official(self) -> bool:
        """Whether it may stand for the city: what citizens measure stands for itself."""
        return not self.notice


@dataclass(frozen=True, slots=True)
class Value:
    """The newest value of a Datastream."""

    phenomenon_time: datetime
    result: float
    quality: Quality
    rule: QualityRule


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything open; `values` lacks Datastreams that never had a value. `fetched_at` is when we asked;
    `funding` by key of the dataset."""

    places: Mapping[str, Place]
    streams: Mapping[int, Stream]
    values: Mapping[int, Value]
    fetched_at: datetime
    outlooks: Mapping[int, Outlook] = field(default_factory=dict)
    funding: Mapping[str, Funding] = field(default_factory=dict)

    @property
    def simulated(self) -> Share:
        """How much of all of it comes from the virtual city."""
        return self.simulated_of(self.streams.values())

    def simulated_of(self, streams: Iterable[Stream]) -> Share:
        """How much of these."""
        return Share.of(self.places[one.place].simulated for one in streams)

    def place_of(self, stream: Stream) -> Place:
        """Where the Datastream is measured."""
        return self.places[stream.place]

    def funding_of(self, stream: Stream) -> tuple[Funding, ...]:
        """Who paid for the datasets it belongs to, each named once, in their order."""
        found = [self.funding[key] for key in stream.datasets if key in self.funding]
        return tuple(dict.fromkeys(found))
