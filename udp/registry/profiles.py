"""What a device type can measure: profiles turn a codec's fields into Datastreams, without code.

A profile is one TOML file; `observed_properties.toml` names what may be measured at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from udp.errors import ConfigurationError
from udp.registry.batteries import UNKNOWN, Battery, load_curves
from udp.registry.toml_tables import Complaints, Table, open_toml
from udp.sensorthings import Access, ObservedProperty, Unit
from udp.units import unit

HERE = Path(__file__).parent
DATASTREAM_KEY = r"[a-z][a-z0-9_]{0,62}"
EXEMPTIONS = ("copyright", "personal", "state", "data_protection")
GEOMETRIES = ("fill", "level")


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """One field of a codec as a Datastream, before anybody knows at which place it is mounted.

    `access` not open needs its own `exemption`: it holds where the place alone would be open.
    `origin`: None, "fill" or "level" (udp.registry.geometry). Limits are in `unit`.
    """

    field: str
    key: str
    name: str
    observed_property: ObservedProperty
    unit: Unit
    origin: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    input_scale: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    max_step: float | None = None
    stuck_after_s: float | None = None
    access: Access | None = None
    exemption: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A device type; `codec` is None for sensors wired to an agent.

    `battery`: what it runs on, where a data sheet says so and its voltage tells the charge.
    """

    name: str
    codec: str | None
    sensor: str
    expected_interval_s: float
    channels: tuple[ChannelProfile, ...]
    battery: Battery | None = None


def load_observed_properties(path: Path = HERE / "observed_properties.toml") -> dict[str, ObservedProperty]:
    """Every ObservedProperty by key. ConfigurationError lists what is wrong with the file."""
    complaints = Complaints(path)
    properties: dict[str, ObservedProperty] = {}
    for key, content in open_toml(path).items():
        table = Table(content, f"observed property {key!r}", complaints)
        properties[key] = ObservedProperty(key, table.text("name"), table.text("definition"))
        table.text("unit", "")
        table.finish()
    complaints.raise_any()
    return properties


def load_profiles(
    folder: Path = HERE / "profiles",
    properties: Mapping[str, ObservedProperty] | None = None,
    *,
    own: Path | None = None,
) -> dict[str, Profile]:
    """Every profile of the folder, and of a city's `own`, by name.

    ConfigurationError lists what is wrong with the first bad file.
    """
    known = load_observed_properties() if properties is None else properties
    profiles: dict[str, Profile] = {}
    for path in sorted(folder.glob("*.toml")) + ([] if own is None else sorted(own.glob("*.toml"))):
        profile = read_profile(path, known)
        if profile.name in profiles:
            raise ConfigurationError(f"{path}: profile {profile.name!r} exists twice; rename one of them")
        profiles[profile.name] = profile
    return profiles


def read_profile(path: Path, properties: Mapping[str, ObservedProperty]) -> Profile:
    """One profile file. ConfigurationError lists everything that is wrong with it."""
    complaints = Complaints(path)
    table = Table(open_toml(path), "", complaints)
    channels = tuple(
        channel
        for one in table.tables("channel", "channel", "key")
        if (channel := _channel(one, properties)) is not None
    )
    profile = Profile(
        name=table.text("name"),
        codec=table.text("codec", "") or None,
        sensor=table.text("sensor"),
        expected_interval_s=table.number("expected_interval_s", above=0.0),
        channels=channels,
        battery=_battery(table, complaints),
    )
    table.finish()
    for key in _repeated([channel.key for channel in channels]):
        complaints.add("", "channel", f"the key {key!r} is used twice; give each channel its own")
    complaints.raise_any()
    return profile


def _battery(table: Table, complaints: Complaints) -> Battery | None:
    """`[battery] chemistry, cells`; chemistry "unknown" says that nobody knows, which is worth saying."""
    if not table.has("battery"):
        return None
    inner = Table(table.mapping("battery"), "battery", complaints)
    curves = load_curves()
    chemistry = inner.text("chemistry", choices=(*curves, UNKNOWN))
    cells = inner.number("cells", 1.0, above=0.0)
    inner.finish()
    return Battery(curves[chemistry], int(cells)) if chemistry in curves else None


def _channel(table: Table, properties: Mapping[str, ObservedProperty]) -> ChannelProfile | None:
    property_key = table.text("observed_property")
    symbol = table.text("unit")
    access = table.text("access", "", choices=tuple(Access))
    exemption = table.text("exemption", "", choices=EXEMPTIONS)
    if access in (Access.INTERNAL, Access.RESTRICTED) and not table.has("exemption"):
        table.complain("exemption", f"is missing; what is not open needs one of {', '.join(EXEMPTIONS)}")
    if access not in (Access.INTERNAL, Access.RESTRICTED) and table.has("exemption"):
        table.complain(
            "exemption", 'stands without access = "internal" or "restricted"; add that or remove it'
        )
    origin = table.text("from", "", choices=GEOMETRIES)
    observed = properties.get(property_key)
    if property_key and observed is None:
        table.complain(
            "observed_property", f"{property_key!r} is not known; add it to observed_properties.toml"
        )
    known_unit = _unit(table, symbol)
    limits = {key: table.number(key, None) for key in ("minimum", "maximum", "max_step", "stuck_after_s")}
    key = table.text("key", pattern=DATASTREAM_KEY)
    field = table.text("field")
    name = table.text("name", "")
    scale, offset = table.number("scale", 1.0), table.number("offset", 0.0)
    input_scale = table.number("input_scale", 1.0)
    table.finish()
    if observed is None or known_unit is None:
        return None
    return ChannelProfile(
        field=field,
        key=key,
        name=name or observed.name,
        observed_property=observed,
        unit=known_unit,
        origin=origin or None,
        access=Access(access) if access else None,
        exemption=exemption or None,
        scale=scale,
        offset=offset,
        input_scale=input_scale,
        minimum=limits["minimum"],
        maximum=limits["maximum"],
        max_step=limits["max_step"],
        stuck_after_s=limits["stuck_after_s"],
    )


def _unit(table: Table, symbol: str) -> Unit | None:
    if not symbol:
        return None
    try:
        return unit(symbol)
    except ConfigurationError as error:
        table.complain("unit", str(error))
        return None


def _repeated(keys: list[str]) -> list[str]:
    return sorted({key for key in keys if keys.count(key) > 1})
