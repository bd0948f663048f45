"""From rows of a table to what the register shall hold, or to a list of mistakes with line and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from edge.wire.identifiers import DevEUI
from udp.devices.cells import Cells, meant
from udp.devices.columns import DEVICE_COLUMNS, SECRET_COLUMNS, THING_COLUMNS
from udp.devices.findings import Findings
from udp.devices.held import Held, HeldDevice
from udp.devices.identity import read_identity
from udp.devices.place import PlacedThing, read_placed_thing
from udp.devices.secrets_of_row import read_keys
from udp.devices.settings import DeviceSettings
from udp.devices.table_file import RawRow
from udp.devices.vault import DeviceKeys
from udp.registry.geometry import ASKED_FOR, Linear, linear
from udp.registry.mounting import channel_at, datastream_at
from udp.registry.port import Channel
from udp.registry.profiles import Profile
from udp.sensorthings import Datastream

_CLEAR = "-"
_MEASURES = {"empty_mm": "leer_mm", "full_mm": "voll_mm", "zero_mm": "nullpunkt_mm"}
_LONGEST_S = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Mounting:
    """A device at its place as one row wants it; `channels` point at positions in `datastreams`."""

    line: int
    dev_eui: DevEUI
    placed: PlacedThing
    profile: Profile
    interval_s: float
    citizen: bool
    counter_reset: bool
    datastreams: tuple[Datastream, ...]
    channels: tuple[Channel, ...]
    record: Mapping[str, str]
    keys: DeviceKeys
    replaces: DevEUI | None
    removed: bool


class Checker:
    """Judges row after row; a good row counts for the rows behind it."""

    def __init__(
        self,
        held: Held,
        profiles: Mapping[str, Profile],
        settings: DeviceSettings,
        *,
        today: date,
        findings: Findings,
    ) -> None:
        self._held = held
        self._profiles = profiles
        self._settings = settings
        self._today = today
        self._findings = findings
        self._lines: dict[DevEUI, int] = {}
        self._replaced_in: dict[DevEUI, int] = {}
        self._placed: dict[str, PlacedThing] = {}
        self._measured = {thing: dict(keys) for thing, keys in held.measured.items()}

    def check(self, raw: Iterable[RawRow]) -> list[Mounting]:
        """The good rows, in order; mistakes stand in the findings."""
        return [found for row in raw if (found := self._row(row)) is not None]

    def _row(self, raw: RawRow) -> Mounting | None:
        if self._findings.touches(raw.line):
            return None  # the table already refused a cell of it
        dev_eui, label = read_identity(Cells(raw.line, raw.cells, self._findings))
        if dev_eui is None:
            return None
        before = self._held.devices.get(dev_eui)
        given = {**raw.cells, **label}
        mounting = self._mounting(raw.line, dev_eui, given, before)
        if self._findings.touches(raw.line) or mounting is None:
            return None
        self._lines[dev_eui] = raw.line
        self._remember(mounting, before)
        return mounting

    def _mounting(
        self, line: int, dev_eui: DevEUI, given: Mapping[str, str], before: HeldDevice | None
    ) -> Mounting | None:
        known = {} if before is None else before.cells()
        cells = self._cells(line, known, given, DEVICE_COLUMNS, SECRET_COLUMNS, ("objekt",))
        if dev_eui in self._lines:
            cells.complain(
                "dev_eui", f"steht schon in Zeile {self._lines[dev_eui]}; eine der Zeilen entfernen"
            )
        if dev_eui in self._replaced_in:
            line_of = self._replaced_in[dev_eui]
            cells.complain("dev_eui", f"wird in Zeile {line_of} ersetzt; eine der Zeilen entfernen")
        self._refuse_move(cells, before)
        placed = self._place(line, cells.text("objekt"), given)
        profile = self._profile(cells)
        keys = read_keys(cells, before is not None)
        replaces = self._replaced(cells, dev_eui)
        removed = cells.day("ausgebaut_am", self._today)
        installed = cells.day("eingebaut_am", self._today)
        if removed is not None and installed is not None and removed < installed:
            cells.complain("ausgebaut_am", "liegt vor eingebaut_am; eines der beiden Daten berichtigen")
        interval = cells.number("intervall_s", least=10, most=_LONGEST_S, unit=" Sekunden")
        citizen = cells.flag("buergersensor")
        counter_reset = cells.flag("zaehlerneustart")
        record = {column: cells.text(column) for column in DEVICE_COLUMNS if column not in _NOT_RECORDED}
        if placed is None or profile is None:
            return None
        every = profile.expected_interval_s if interval is None else interval
        freed = {str(dev_eui)} | ({str(replaces)} if replaces else set())
        streams, channels = self._channels(
            cells, placed, profile, interval=every, freed=frozenset(freed), removed=removed is not None
        )
        return Mounting(
            line=line,
            dev_eui=dev_eui,
            placed=placed,
            profile=profile,
            interval_s=every,
            citizen=citizen,
            counter_reset=counter_reset,
            datastreams=tuple(streams),
            channels=tuple(channels),
            record=_canonical(record, cells, installed, removed),
            keys=keys,
            replaces=replaces,
            removed=removed is not None,
        )

    def _cells(
        self, line: int, known: Mapping[str, str], given: Mapping[str, str], *parts: tuple[str, ...]
    ) -> Cells:
        """An empty cell leaves what is known, a single dash clears it."""
        columns = {column for part in parts for column in part}
        merged = {**known, **{column: value for column, value in given.items() if column in columns}}
        return Cells(
            line, {key: value for key, value in merged.items() if value and value != _CLEAR}, self._findings
        )

    def _refuse_move(self, cells: Cells, before: HeldDevice | None) -> None:
        thing = cells.text("objekt")
        if before is not None and before.in_force and thing and thing != before.thing:
            cells.complain(
                "objekt",
                f"das Gerät ist am Objekt {before.thing!r} eingebaut; zieht es wirklich um, dort erst mit "
                "ausgebaut_am ausbauen",
            )

    def _place(self, line: int, thing: str, given: Mapping[str, str]) -> PlacedThing | None:
        held = self._held.things.get(thing)
        earlier = self._placed.get(thing)
        known = {} if held is None else held.cells()
        if earlier is not None:
            known = {**known, **earlier.cells}
            for column in THING_COLUMNS:
                if given.get(column, _CLEAR) not in (_CLEAR, earlier.given.get(column, given.get(column))):
                    self._findings.add(
                        line,
                        column,
                        f"weicht von Zeile {earlier.line} für dasselbe Objekt {thing!r} ab; angleichen",
                    )
        if "ostwert" in given or "nordwert" in given:
            known = {column: value for column, value in known.items() if column not in ("breite", "laenge")}
        cells = self._cells(line, known, given, THING_COLUMNS)
        return read_placed_thing(cells, held, given, earlier, self._settings)

    def _profile(self, cells: Cells) -> Profile | None:
        name = cells.required("profil", "den Gerätetyp eintragen, siehe udp profiles list")
        profile = self._profiles.get(name)
        if profile is None:
            if name:
                cells.complain("profil", f"{name!r} gibt es nicht; {meant(name, sorted(self._profiles))}")
            return None
        if profile.codec is None:
            cells.complain("profil", f"{name!r} ist für fest angeschlossene Sensoren; ein Funkgerät wählen")
            return None
        return profile

    def _replaced(self, cells: Cells, dev_eui: DevEUI) -> DevEUI | None:
        octets = cells.hexadecimal("ersetzt", DevEUI.size)
        if octets is None:
            return None
        old = DevEUI(octets)
        device = self._held.devices.get(old)
        if old == dev_eui:
            cells.complain("ersetzt", "nennt das Gerät selbst; die DevEUI des alten Geräts eintragen")
        elif old in self._lines:
            cells.complain("ersetzt", f"{old} steht in Zeile {self._lines[old]} als Gerät; eines entfernen")
        elif device is None:
            cells.complain("ersetzt", f"das Gerät {old} gibt es im Verzeichnis nicht; DevEUI prüfen")
        elif device.thing != cells.text("objekt"):
            cells.complain("ersetzt", f"{old} hängt am Objekt {device.thing!r}, nicht hier; DevEUI prüfen")
        else:
            return old
        return None

    def _channels(
        self,
        cells: Cells,
        placed: PlacedThing,
        profile: Profile,
        *,
        interval: float,
        freed: frozenset[str],
        removed: bool,
    ) -> tuple[list[Datastream], list[Channel]]:
        asked = {key for one in profile.channels if one.origin for key in ASKED_FOR[one.origin]}
        measures = {
            key: cells.number(_MEASURES[key], least=-1e5, most=1e5, unit=" mm") for key in sorted(asked)
        }
        for key in sorted(asked):
            cells.required(_MEASURES[key], f"das Profil {profile.name} braucht dieses Maß in mm")
        for key, column in _MEASURES.items():
            if key not in asked and cells.has(column):
                cells.complain(column, f"das Profil {profile.name} kennt dieses Maß nicht; die Zelle leeren")
        known = {key: value for key, value in measures.items() if value is not None}
        if len(known) < len(asked):
            return [], []
        streams: list[Datastream] = []
        channels: list[Channel] = []
        for channel in profile.channels:
            other = self._measured.get(placed.thing.key, {}).get(channel.key)
            if other is not None and other not in freed and not removed:
                cells.complain(
                    "profil",
                    f"{channel.key} misst hier schon {other}; bei einem Gerätetausch dessen DevEUI in die "
                    "Spalte ersetzt schreiben, sonst ein eigenes Objekt anlegen",
                )
                break
            try:
                line = linear(
                    channel.origin, known, Linear(channel.scale, channel.offset), channel.input_scale
                )
            except ValueError:
                cells.complain(
                    "leer_mm", "muss größer sein als voll_mm, und keines von beiden negativ; prüfen"
                )
                break
            position = len(streams)
            channels.append(channel_at(position, channel, line))
            streams.append(
                datastream_at(
                    position,
                    profile,
                    channel,
                    thing=placed.thing.key,
                    release=placed.release,
                    interval=interval,
                )
            )
        return streams, channels

    def _remember(self, mounting: Mounting, before: HeldDevice | None) -> None:
        self._placed[mounting.placed.thing.key] = mounting.placed
        if mounting.replaces is not None:
            self._replaced_in[mounting.replaces] = mounting.line
        measured = self._measured.setdefault(mounting.placed.thing.key, {})
        gone = {str(mounting.dev_eui), str(mounting.replaces)}
        for key in [key for key, label in measured.items() if label in gone]:
            del measured[key]
        if before is not None and before.thing != mounting.placed.thing.key:
            earlier = self._measured.get(before.thing, {})
            for key in [key for key, label in earlier.items() if label == str(mounting.dev_eui)]:
                del earlier[key]
        if not mounting.removed:
            measured.update({one.key: str(mounting.dev_eui) for one in mounting.datastreams})


_NOT_RECORDED = frozenset({"dev_eui", "qr", "profil", "ersetzt", "eingebaut_am", "ausgebaut_am", "join_eui"})
_NUMBERS = ("intervall_s", *_MEASURES.values())


def _canonical(
    record: dict[str, str], cells: Cells, installed: date | None, removed: date | None
) -> dict[str, str]:
    """One way to write each value, so that the same table twice is the same record."""
    for column in _NUMBERS:
        if record.get(column):
            record[column] = record[column].replace(",", ".")
    if record.get("buergersensor"):
        record["buergersensor"] = "ja" if cells.flag("buergersensor") else ""
    if (join_eui := cells.hexadecimal("join_eui", 8, zeros=True)) is not None:
        record["join_eui"] = join_eui.hex().upper()
    for column, day in (("eingebaut_am", installed), ("ausgebaut_am", removed)):
        if day is not None:
            record[column] = day.isoformat()
    return {column: value for column, value in record.items() if value}
