"""Write a device type as a profile file that a person can finish: what is sure stands, the rest is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from udp.device_types.foreign import ForeignType
from udp.device_types.guess import Proposal

_USUAL_INTERVAL_S = 3600.0
_SHOWN_VALUES = 4
# As in the shipped profiles: the inner state of a device concerns its operator.
_EXEMPTION = "state"


def profile_text(kind: ForeignType, name: str, codec: str, proposals: Sequence[Proposal]) -> str:
    """The TOML of the profile `name`; fields nobody could place stand in comments."""
    lines = [
        f"# {_line(kind.title)}. Quelle: {_line(kind.origin)}.",
        f"name = {_text(name)}",
        f"codec = {_text(codec)}",
        f"sensor = {_text(kind.title)}",
    ]
    if kind.interval_s is None:
        lines.append("# Angenommen: die Quelle nennt keinen Meldeabstand.")
    lines.append(f"expected_interval_s = {kind.interval_s or _USUAL_INTERVAL_S:g}")
    for proposal in proposals:
        lines += ["", *_channel(proposal, kind)]
    return "\n".join(lines) + "\n"


def _channel(proposal: Proposal, kind: ForeignType) -> Iterator[str]:
    seen = ", ".join(json.dumps(one, ensure_ascii=False) for one in proposal.values[:_SHOWN_VALUES])
    called = kind.labels.get(proposal.field, "")
    told = f" ({_line(called)})" if called else ""
    unit = f" {_line(proposal.unit_said)}" if proposal.unit_said else ""
    yield f"# {_line(proposal.field)}{told}: veröffentlichte Werte {_line(seen) or 'keine'}{unit}"
    quantity = proposal.quantity
    if quantity is None:
        yield "# Messgröße und Einheit unklar; bei Bedarf ergänzen und die Zeichen # entfernen:"
        yield from (f"# {line}" for line in ("[[channel]]", f"field = {_text(proposal.field)}", 'key = ""'))
        yield from ('# observed_property = ""', '# unit = ""')
        return
    yield "[[channel]]"
    yield f"field = {_text(proposal.field)}"
    yield f"key = {_text(quantity.property)}"
    yield f"observed_property = {_text(quantity.property)}"
    yield f"unit = {_text(quantity.unit)}"
    if proposal.scale != 1.0:
        yield f"scale = {proposal.scale!r}"
    yield f"minimum = {float(quantity.minimum)!r}"
    yield f"maximum = {float(quantity.maximum)!r}"
    if quantity.internal:
        yield 'access = "internal"'
        yield f"exemption = {_text(_EXEMPTION)}"


def _text(value: str) -> str:
    # A JSON string is a TOML basic string; DEL alone is not allowed there.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(value: str) -> str:
    """Foreign text inside a comment: one line, nothing that ends it."""
    return "".join(letter if letter.isprintable() else " " for letter in value)[:200]
