"""Read official warnings of the DWD: CAP 1.2 (OASIS) in its profile 2.1, a zip of alerts, wording untouched.

The folder ..._STAT holds all that is in force at one moment, so a later file replaces an earlier one whole.
Texts are somebody else's XML: parsed without entities or external references.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from udp.weather.download import SourceUnusable

PATH = (
    "/weather/alerts/cap/COMMUNEUNION_DWD_STAT/Z_CAP_C_EDZW_LATEST_PVW_STATUS_PREMIUMDWD_COMMUNEUNION_DE.zip"
)
_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
_MOST_FILES, _MOST_OCTETS = 2_000, 200_000_000
_METRES_PER_FOOT = 0.3048
LEVELS = {"Minor": 1, "Moderate": 2, "Severe": 3, "Extreme": 4}
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, NotImplementedError, RuntimeError,
    ParseError, DefusedXmlException, ValueError, OverflowError, KeyError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning for the area asked about, in the words of its sender. Times are aware UTC; `onset` and
    `expires` None where nothing is said; `above_m`: it holds from this height on only."""

    identifier: str
    event: str
    level: int
    headline: str
    description: str
    instruction: str
    area: str
    sender: str
    link: str
    sent: datetime
    onset: datetime | None
    expires: datetime | None
    ahead: bool
    above_m: float


def read_warnings(content: bytes, cells: Collection[str]) -> list[Warned]:
    """Real warnings of all files for the warning cells `cells`, most severe first. SourceUnusable for what is
    no such archive; a test of the service is none."""
    try:
        alerts = list(_alerts(content))
        replaced = {name for one in alerts for name in _references(one)}
        found = [
            warned
            for one in alerts
            if _real(one) and _text(one, "identifier") not in replaced and _text(one, "msgType") != "Cancel"
            for warned in _of_alert(one, frozenset(cells))
        ]
    except _BROKEN as error:
        raise SourceUnusable(f"warnings: no zip of CAP 1.2 ({type(error).__name__}: {error})") from error
    return sorted(found, key=lambda one: (-one.level, one.onset or one.sent, one.identifier))


def _alerts(content: bytes) -> Iterator[Element]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        listed = [one for one in archive.infolist() if one.filename.endswith(".xml")]
        if len(listed) > _MOST_FILES or sum(one.file_size for one in listed) > _MOST_OCTETS:
            raise ValueError(f"{len(listed)} files are more than any state of warnings")
        for one in listed:
            root: Element = fromstring(archive.read(one), forbid_dtd=True)
            if root.tag != f"{_CAP}alert":
                raise ValueError(f"{one.filename[:80]} is {root.tag[:80]}, not an alert of CAP 1.2")
            yield root


def _real(alert: Element) -> bool:
    return _text(alert, "status") == "Actual" and _text(alert, "scope") == "Public"


def _references(alert: Element) -> Iterable[str]:
    """`sender,identifier,sent` of what this message replaces or takes back (CAP 1.2, 3.2.1)."""
    for one in _text(alert, "references").split():
        parts = one.split(",")
        if len(parts) == 3:
            yield parts[1]


def _of_alert(alert: Element, cells: frozenset[str]) -> Iterator[Warned]:
    infos = alert.findall(f"{_CAP}info")
    german = [one for one in infos if _text(one, "language").lower().startswith("de")]
    for info in german or infos[:1]:
        for area in info.findall(f"{_CAP}area"):
            if not cells & set(_cells(area)):
                continue
            yield Warned(
                identifier=_text(alert, "identifier"),
                event=_text(info, "event"),
                level=LEVELS.get(_text(info, "severity"), 0),
                headline=_text(info, "headline"),
                description=_text(info, "description"),
                instruction=_text(info, "instruction"),
                area=_text(area, "areaDesc"),
                sender=_text(info, "senderName") or "Deutscher Wetterdienst",
                link=_text(info, "web"),
                sent=_required(alert, "sent"),
                onset=_moment(info, "onset"),
                expires=_moment(info, "expires"),
                ahead=_text(info, "urgency") == "Future",
                above_m=round(float(_text(area, "altitude") or 0.0) * _METRES_PER_FOOT),
            )
            break


def _cells(area: Element) -> Iterator[str]:
    for code in area.findall(f"{_CAP}geocode"):
        if _text(code, "valueName") == "WARNCELLID":
            yield from _text(code, "value").split()


def _text(element: Element, name: str) -> str:
    return (element.findtext(f"{_CAP}{name}") or "").strip()


def _required(element: Element, name: str) -> datetime:
    moment = _moment(element, name)
    if moment is None:
        raise ValueError(f"{name} is missing")
    return moment


def _moment(element: Element, name: str) -> datetime | None:
    text = _text(element, name)
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{name} {text!r} has no offset")
    return moment.astimezone(UTC)
