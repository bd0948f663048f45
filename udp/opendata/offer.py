"""What of each dataset the public may have, by the one gate; dumps, catalogue and pages begin here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from udp.datasets.model import Dataset, Policy, series
from udp.policy import PUBLIC, Gate, Limits
from udp.registry.port import Inventory
from udp.sensorthings import Access, Datastream, Thing

_LICENCES = {
    "dl-de/zero-2-0": ("http://dcat-ap.de/def/licenses/dl-zero-de/2.0", "https://www.govdata.de/dl-de/zero-2-0"),
    "dl-de/by-2-0": ("http://dcat-ap.de/def/licenses/dl-by-de/2.0", "https://www.govdata.de/dl-de/by-2-0"),
    "cc-by-4.0": ("http://dcat-ap.de/def/licenses/cc-by/4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "cc0-1.0": ("http://dcat-ap.de/def/licenses/cc-zero", "https://creativecommons.org/publicdomain/zero/1.0/"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offered:
    """One open dataset with those of its Datastreams that the public may know, places as round as they may
    be; `limits` those that leave in steps only; `citizens` those that citizens measure."""

    dataset: Dataset
    streams: Mapping[int, Datastream]
    things: Mapping[str, Thing]
    limits: Mapping[int, Limits]
    citizens: frozenset[int]

    @property
    def licence(self) -> str:
        """Of all licences in it the one that asks for most: who keeps to it keeps to all."""
        found = {self.dataset.licence, *(one.licence for one in self.streams.values())}
        return min(found, key=lambda text: ("zero" in text or "cc0" in text, text))

    @property
    def simulated(self) -> bool:
        """Whether anything in it comes from the virtual city."""
        return any(self.things[one.thing].simulated for one in self.streams.values())

    def terms(self) -> dict[str, str]:
        """By Datastream all that decides what may stand of it in a file: a file made under other terms must
        not be given out any more."""
        return {str(number): self._terms(number, one) for number, one in self.streams.items()}

    def covers(self, recorded: Mapping[str, str]) -> bool:
        """Whether everything in a file made under `recorded` may still leave just so."""
        now = self.terms()
        return all(now.get(number) == words for number, words in recorded.items())

    def _terms(self, number: int, one: Datastream) -> str:
        place = self.things[one.thing].location
        limit = self.limits.get(number)
        step = f"{limit.time_step.total_seconds():g}" if limit else "as measured"
        return f"{one.thing}/{one.key}; {step}; {place.latitude},{place.longitude}; {one.licence}"


def offered(gate: Gate, inventory: Inventory) -> dict[str, Offered]:
    """By key, in the order of the policy; what is not open or has nothing open in it does not exist."""
    known = gate.admit(inventory, PUBLIC)
    citizens = {number for number, one in series(inventory).items() if one.citizen}
    found: dict[str, Offered] = {}
    for dataset in _open(gate.policy):
        streams = {n: one for n, one in known.datastreams.items() if dataset.key in known.datasets[n]}
        if streams:
            things = {one.thing: known.things[one.thing] for one in streams.values()}
            limits = {number: limit for number, limit in known.limits.items() if number in streams}
            own = frozenset(citizens & streams.keys())
            found[dataset.key] = Offered(dataset, streams, things, limits, own)
    return found


def licence_uri(licence: str) -> str:
    """As DCAT-AP.de names it (convention K32)."""
    return _LICENCES.get(licence.lower(), ("http://dcat-ap.de/def/licenses/other-open", ""))[0]


def licence_page(licence: str) -> str:
    """Where a person reads it; empty if it is not one of the known ones."""
    return _LICENCES.get(licence.lower(), ("", ""))[1]


def _open(policy: Policy) -> list[Dataset]:
    return [one for one in policy.datasets if one.access is Access.OPEN and one.licence]
