"""Read `policy.toml` so that whoever changed it hears of every mistake at once, with place and remedy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from udp.datasets.model import WEATHER_KEPT, Dataset, Funding, Outside, Policy, Retention, Selector
from udp.errors import ConfigurationError
from udp.registry.profiles import EXEMPTIONS
from udp.registry.toml_tables import Complaints, Table, open_toml
from udp.roles import EVERYTHING, Role
from udp.sensorthings import Access

SHIPPED = Path(__file__).parent / "policy.toml"
FORMAT = 1
UNLIMITED = "unlimited"
_KEY = r"[a-z0-9][a-z0-9-]{0,62}"
_DURATION = re.compile(r"(\d{1,5})\s?(m|h|d|y)", re.ASCII)
_UNITS: Mapping[str, timedelta] = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "y": timedelta(days=365),
}
_WIDEST_GRID_M = 50_000.0
_LINK = r"https://[^\s\"<>]{3,300}"
# A path on this site and nothing else: pages load nothing from foreign hosts, and no dot begins a part.
_LOGO = r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,6}\.(svg|png)"


def read_policy(path: Path | None = None) -> Policy:
    """The checked policy in `path`, else the shipped one. ConfigurationError lists every mistake."""
    path = path or SHIPPED
    complaints = Complaints(path)
    root = Table(open_toml(path), "", complaints)
    if root.number("format", FORMAT) != FORMAT or not root.has("format"):
        root.complain("format", f"this program reads version {FORMAT}; write format = {FORMAT}")
        complaints.raise_any()
    journal = Table(root.mapping("journal"), "journal", complaints)
    raw = _duration(journal, "keep")
    journal.finish()
    audit = Table(root.mapping("audit"), "audit", complaints)
    # Files of before have no such table: nothing is deleted that nobody has decided to delete.
    audit_kept = _duration(audit, "keep") if audit.has("keep") else None
    audit.finish()
    weather = Table(root.mapping("weather_forecasts"), "weather_forecasts", complaints)
    weather_kept = _duration(weather, "keep") if weather.has("keep") else WEATHER_KEPT
    weather_open = weather.flag("public", default=False)
    weather.finish()
    found: dict[str, Dataset] = {}
    for table in root.tables("dataset", "dataset", "key"):
        dataset = _dataset(table)
        if dataset.key in found:
            table.complain("key", "stands twice in this file; give the second another key")
        found[dataset.key] = dataset
    root.finish()
    complaints.raise_any()
    return Policy(
        tuple(found.values()), raw, audit_kept, weather_kept, weather_open, str(path), _digest(path)
    )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def _dataset(table: Table) -> Dataset:
    key = table.text("key", pattern=_KEY)
    access, exemption, licence = _access(table)
    dataset = Dataset(
        key=key,
        title=table.text("title"),
        description=table.text("description"),
        select=tuple(_selector(one) for one in table.tables("select", "select", "kind")),
        owner=table.text("owner"),
        purpose=table.text("purpose"),
        legal_basis=table.text("legal_basis"),
        access=access,
        exemption=exemption,
        licence=licence,
        visible_to=_roles(table),
        outside=_outside(_within(table, "outside")),
        retention=_retention(_within(table, "retention")),
        funding=_funding(_within(table, "funding")) if table.has("funding") else None,
    )
    if not dataset.select:
        table.complain("select", 'is missing; say which series are meant, e.g. [{ theme = "wetter" }]')
    table.finish()
    return dataset


def _within(table: Table, key: str) -> Table:
    return Table(table.mapping(key), f"{table.where}, {key}", table.complaints)


def _access(table: Table) -> tuple[Access, str | None, str]:
    access = table.text("access", choices=tuple(Access))
    exemption = table.text("exemption", "", choices=EXEMPTIONS)
    licence = table.text("licence", "")
    if access == Access.OPEN:
        if not licence:
            table.complain("licence", 'is missing; open data need one, e.g. licence = "dl-de/zero-2-0"')
        if exemption:
            table.complain("exemption", 'contradicts access = "open"; remove one of the two')
        return Access.OPEN, None, licence
    if access and not exemption:
        table.complain("exemption", f"is missing; what is not open needs one of {', '.join(EXEMPTIONS)}")
    if licence:
        table.complain("licence", "has no meaning for what is not open; remove it")
    return Access(access) if access else Access.RESTRICTED, exemption or None, ""


def _selector(table: Table) -> Selector:
    citizen = table.flag("citizen", False) if table.has("citizen") else None
    made = Selector(
        table.texts("kind"),
        table.texts("theme"),
        table.texts("observed_property"),
        table.texts("thing"),
        citizen,
    )
    table.finish()
    if made == Selector():
        table.complain("kind", "the selector names nothing and would mean everything; name something")
    return made


def _funding(table: Table) -> Funding:
    found = Funding(
        " ".join(table.text("text").split()),
        table.text("link", "", pattern=_LINK),
        table.text("logo", "", pattern=_LOGO),
    )
    table.finish()
    return found


def _roles(table: Table) -> frozenset[Role]:
    known = [one.value for one in Role if one not in (Role.PUBLIC, Role.METRICS) and one not in EVERYTHING]
    found = table.texts("visible_to")
    for one in found:
        if one not in known:
            table.complain("visible_to", f"{one!r} is no role here; known are {', '.join(known)}")
    return frozenset(Role(one) for one in found if one in known)


def _outside(table: Table) -> Outside:
    step = _duration(table, "time_step") if table.has("time_step") else None
    current = table.text("current", "now", choices=("now", "step"))
    place = table.number("place_m", 0.0, above=-1.0)
    users = table.number("minimum_users", 1.0, above=0.0)
    if current == "step" and step is None:
        table.complain("current", '"step" needs a time_step; add e.g. time_step = "1h"')
    if step is not None and (timedelta(days=1) % step and step % timedelta(days=1)):
        table.complain("time_step", "does not fit whole into a day; choose e.g. 15m, 1h, 6h or 1d")
    if not 0 <= place <= _WIDEST_GRID_M:
        table.complain("place_m", f"{place:g} is not possible; choose 0 to {_WIDEST_GRID_M:g} metres")
    if users != int(users or 0):
        table.complain("minimum_users", f"{users:g} is no whole number")
    table.finish()
    return Outside(step, current != "step", place, int(users))


def _retention(table: Table) -> Retention:
    found = Retention(*(_duration(table, name) for name in ("raw", "values", "aggregates")))
    if found.values is not None and (found.raw is None or found.raw > found.values):
        table.complain("raw", "is kept longer than values: a replay would bring back what was deleted")
    if found.aggregates is not None:
        table.complain("aggregates", f'cannot be deleted by any store yet; write "{UNLIMITED}"')
    table.finish()
    return found


def _duration(table: Table, key: str) -> timedelta | None:
    """`15m`, `6h`, `14d`, `2y`; None for unlimited and after a complaint."""
    text = table.text(key)
    if not text or text == UNLIMITED:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        table.complain(key, f'{text!r} is no time; write e.g. "15m", "6h", "14d", "2y" or "{UNLIMITED}"')
        return None
    return int(match[1]) * _UNITS[match[2]]
