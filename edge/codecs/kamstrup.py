"""Kamstrup flowIQ 2200 water meter: plain M-Bus records (EN 13757-3) in a LoRaWAN payload.

Read are the records these meters send: date and time (type F), volume, its hourly profile,
flow and temperature limits of the day, information flags. Stored values belong to the time in the
same frame. The meter's clock shows Central European standard time all year unless type F's
summer-time bit is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT = 1

_HEADERS = {0x78: 1, 0x7A: 5, 0x72: 13}  # control information: none, short, long header (with it)
_LENGTHS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6}
_VARIABLE, _FILLER = 0x0D, 0x2F
_PREFIX = {0: "", 1: "Max ", 2: "Min "}
_TIME, _PROFILE = b"\x6d", b"\x93\x13"
_FLAGS, _ACOUSTIC, _CONFIGURATION = b"\xff\x25", b"\xff\x1c", b"\xff\x16"
_MEASURED = {b"\x13": ("Volume", 1000), b"\x3b": ("Volume flow", 1000), b"\x5b": ("Flow temperature", 1)}
_FLAG_NAMES = (
    *("Dry", "Reverse", "Leak", "Burst", "Tamper"),
    *("Low Battery", "Low Ambient Temperature", "High Ambient Temperature"),
)
_SPACINGS = ("seconds", "minutes", "hours", "days")
_INCREMENTS = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """One M-Bus record: where it stands, 0 instant 1 maximum 2 minimum, its VIF octets and its data."""

    octet: int
    function: int
    vif: bytes
    data: bytes


def flow_iq(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Newest record first, then the profile into the past; CodecError for any record not listed above."""
    if f_port != PORT:
        raise CodecError(f"kamstrup-flowiq: port {f_port} carries no M-Bus data, expected {PORT}")
    at: datetime | None = None
    fields: dict[str, FieldValue] = {}
    warnings: list[str] = []
    profile: _Entry | None = None
    for entry in _entries(payload):
        if entry.vif == _TIME:
            at = _moment(entry)
        elif entry.vif == _PROFILE:
            profile = entry
        else:
            _read(entry, fields, warnings)
    history = _history(profile, fields, at, warnings) if profile else []
    if not fields:
        raise CodecError("kamstrup-flowiq: the payload holds no values")
    if "Volume" in fields:
        fields["latestVolume"] = fields["Volume"]
    return Decoded((Record(fields, at), *history), tuple(warnings))


def _entries(payload: bytes) -> Iterator[_Entry]:
    control = payload[:1].hex() or "nothing"
    offset = _HEADERS.get(payload[0]) if payload else None
    if offset is None or offset > len(payload):
        raise CodecError(f"kamstrup-flowiq: {control} at octet 0 begins no readable M-Bus header")
    while offset < len(payload):
        start, dif = offset, payload[offset]
        if dif == _FILLER:
            offset += 1
            continue
        end_of_vif = start + 2
        while end_of_vif <= len(payload) and payload[end_of_vif - 1] & 0x80:
            end_of_vif += 1
        if dif & 0x80 or end_of_vif > len(payload):
            raise CodecError(f"kamstrup-flowiq: record head at octet {start} is unreadable")
        begin, length = end_of_vif, _LENGTHS.get(dif & 0x0F)
        if dif & 0x0F == _VARIABLE and begin < len(payload):
            begin, length = begin + 1, payload[begin]
        if length is None or begin + length > len(payload):
            raise CodecError(f"kamstrup-flowiq: data of the record at octet {start} is unknown or cut off")
        offset = begin + length
        yield _Entry(start, dif >> 4 & 3, payload[start + 1 : end_of_vif], payload[begin:offset])


def _read(entry: _Entry, fields: dict[str, FieldValue], warnings: list[str]) -> None:
    value = int.from_bytes(entry.data[:6], "little")
    if not 0 < len(entry.data) <= 6:
        raise CodecError(f"kamstrup-flowiq: {len(entry.data)} octets of data at octet {entry.octet}")
    if entry.vif in _MEASURED and entry.function in _PREFIX:
        name, divisor = _MEASURED[entry.vif]
        _measured(entry, _PREFIX[entry.function] + name, divisor, fields, warnings)
    elif entry.vif == _FLAGS:
        fields.update((name, value >> bit & 1 == 1) for bit, name in enumerate(_FLAG_NAMES))
    elif entry.vif == _ACOUSTIC:
        fields["ALD last day"] = value
    elif entry.vif == _CONFIGURATION:
        fields["Module type/config number"] = value
    else:
        raise CodecError(f"kamstrup-flowiq: unknown quantity {entry.vif.hex()} at octet {entry.octet}")


def _measured(
    entry: _Entry, name: str, divisor: int, fields: dict[str, FieldValue], warnings: list[str]
) -> None:
    """Signed number (type B), whose most negative value says "invalid"."""
    value = int.from_bytes(entry.data, "little", signed=True)
    if value == -(1 << 8 * len(entry.data) - 1):
        warnings.append(f"{name}: invalid value at octet {entry.octet}")
    else:
        fields[name] = value if divisor == 1 else value / divisor


def _moment(entry: _Entry) -> datetime:
    """Type F (EN 13757-3 annex A): minute, hour and summer time, day, month, year split over two octets."""
    if len(entry.data) != 4:
        raise CodecError(f"kamstrup-flowiq: time at octet {entry.octet} has {len(entry.data)} octets, not 4")
    minute, hour, day, month = entry.data
    year = 2000 + (day >> 5 | month >> 4 << 3)
    zone = timezone(timedelta(hours=2 if hour & 0x80 else 1))
    try:
        if minute & 0x80:
            raise ValueError("the meter marks its time as invalid")  # noqa: TRY301
        local = datetime(year, month & 0x0F, day & 0x1F, hour & 0x1F, minute & 0x3F, tzinfo=zone)
    except ValueError as error:
        raise CodecError(f"kamstrup-flowiq: time at octet {entry.octet}: {error}") from error
    return local.astimezone(UTC)


def _history(
    profile: _Entry, fields: dict[str, FieldValue], at: datetime | None, warnings: list[str]
) -> list[Record]:
    """Inverse compact profile (EN 13757-3 annex F): control octet, spacing, then decrements into the past.

    Control: increments in bits 6-7, unit of spacing in bits 4-5, octets per value below.
    All ones say "unknown": what lies before it cannot be known either.
    """
    newest = fields.get("Volume")
    if at is None or newest is None or len(profile.data) < 2:
        raise CodecError(f"kamstrup-flowiq: profile at octet {profile.octet} lacks its time or first value")
    control, spacing = profile.data[0], profile.data[1]
    size = _LENGTHS.get(control & 0x0F, 0)
    if control >> 6 != _INCREMENTS or not size or (len(profile.data) - 2) % size or not spacing:
        raise CodecError(f"kamstrup-flowiq: profile at octet {profile.octet} has unknown form {control:02x}")
    step = timedelta(**{_SPACINGS[control >> 4 & 3]: spacing})
    litres, records = round(float(newest) * 1000), list[Record]()
    for start in range(2, len(profile.data), size):
        decrement = int.from_bytes(profile.data[start : start + size], "little")
        if decrement == (1 << 8 * size) - 1:
            warnings.append(f"Volume: profile breaks off after {len(records)} values")
            break
        litres, at = litres - decrement, at - step
        records.append(Record({"Volume": litres / 1000}, at))
    return records
