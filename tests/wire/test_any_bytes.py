"""What goes in comes out, and whatever comes in is an envelope or a WireError."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import (
    Clock,
    Command,
    CommandResult,
    CommandState,
    Envelope,
    Frame,
    GatewayStatus,
    Reading,
    Receipt,
    Reception,
    Record,
    Uplink,
)

moments = st.integers(0, 2**52).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
clocks = st.sampled_from(Clock)
numbers = st.floats(allow_nan=False)
counts = st.integers(0, 2**40)
values = st.one_of(st.booleans(), st.integers(-(2**63), 2**63), numbers, st.text(max_size=20))
fields = st.dictionaries(st.text(max_size=10), values, max_size=5)
gateways = st.binary(min_size=8, max_size=8).map(GatewayEUI)
receptions = st.lists(
    st.builds(
        Reception,
        st.none() | gateways,
        st.text(max_size=10),
        moments,
        st.none() | numbers,
        st.none() | numbers,
    ),
    max_size=3,
).map(tuple)
heard = {
    "received_at": moments,
    "clock": clocks,
    "receptions": receptions,
    "data_rate": st.none() | st.text(max_size=10),
    "frequency_hz": st.none() | st.integers(0, 2**32),
}
messages = st.one_of(
    st.builds(
        Uplink,
        dev_eui=st.binary(min_size=8, max_size=8).map(DevEUI),
        session=st.binary(max_size=20),
        f_cnt=st.integers(0, 2**32 - 1),
        f_port=st.integers(1, 223),
        payload=st.binary(max_size=60),
        records=st.none() | st.lists(st.builds(Record, fields, st.none() | moments), max_size=3).map(tuple),
        codec=st.none() | st.text(max_size=10),
        **heard,  # type: ignore[arg-type]
    ),
    st.builds(Frame, phy_payload=st.binary(max_size=60), **heard),  # type: ignore[arg-type]
    st.builds(Reading, st.text(max_size=10), moments, moments, clocks, fields),
    st.builds(GatewayStatus, gateways, moments, clocks, counts, counts, counts, numbers, counts, counts),
    st.builds(Command, st.text(), st.text(), st.integers(0, 255), st.binary(max_size=60), moments),
    st.builds(CommandResult, st.text(), st.sampled_from(CommandState), moments, st.text()),
)
envelopes = st.builds(
    Envelope,
    agent=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    spool=st.binary(min_size=8, max_size=8),
    sequence=st.integers(1, 2**63 - 1),
    floor=st.integers(1, 2**63 - 1),
    sent_at=moments,
    messages=st.lists(messages, max_size=5).map(tuple),
)


@given(envelopes)
def test_an_envelope_comes_back_as_it_went(envelope: Envelope) -> None:
    assert cbor.decode(cbor.encode(envelope)) == envelope


@given(st.lists(messages, max_size=400))
def test_putting_bytes_together_is_encoding(items: list[Frame]) -> None:
    at = datetime(2026, 7, 1, tzinfo=UTC)
    assembled = cbor.assemble(
        agent="gw-1", spool=b"spool-id", sequence=5, floor=2, sent_at=at,
        messages=[cbor.encode_message(item) for item in items],
    )  # fmt: skip
    content = cbor2.loads(assembled)
    assert content[5] == [cbor2.loads(cbor.encode_message(item)) for item in items]
    assert cbor2.dumps(content) == assembled


@given(
    st.binary(min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))),
)
def test_a_receipt_comes_back_as_it_went(spool: bytes, ranges: list[tuple[int, int]]) -> None:
    receipt = Receipt(spool, tuple(ranges))
    assert cbor.decode_receipt(cbor.encode_receipt(receipt)) == receipt


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_wire_error(octets: bytes) -> None:
    for read in (cbor.decode, cbor.decode_receipt, cbor.open_envelope):
        with contextlib.suppress(cbor.WireError):
            read(octets)


@given(envelopes, st.data())
def test_a_damaged_envelope_is_read_or_a_wire_error(envelope: Envelope, data: st.DataObject) -> None:
    octets = bytearray(cbor.encode(envelope))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(cbor.WireError):
        cbor.decode(bytes(octets))


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 25), inner, max_size=6),
    max_leaves=20,
)


@given(st.dictionaries(st.integers(1, 25), _anything, max_size=8), st.lists(_anything, max_size=3))
def test_well_formed_nonsense_is_a_wire_error(content: dict[int, object], items: list[object]) -> None:
    sound = {1: "gw-1", 2: b"spool-id", 3: 1, 4: 0, 6: 1}
    for nonsense in ({0: 1, **content}, {0: 1, **sound, 5: items}, {0: 1, **sound, 5: [{0: 1, **content}]}):
        octets = cbor2.dumps(nonsense)
        for read in (cbor.decode, cbor.decode_receipt):
            with contextlib.suppress(cbor.WireError):
                read(octets)


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "not CBOR"),
        (b"\x81" * 100_000, "not CBOR"),  # recursion
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "not CBOR"),  # a map that claims 2^64 entries
        (b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "not CBOR"),  # a string that claims 2^63 bytes
        (bytes(1_000_001), "at most 1000000"),
        (b"\x80", "instead of a map"),
        (cbor2.dumps({0: 1}), "lacks key"),
    ],
)
def test_hostile_bytes_are_named(octets: bytes, what: str) -> None:
    with pytest.raises(cbor.WireError, match=what):
        cbor.decode(octets)


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**80])
@pytest.mark.parametrize("key", [3, 6])
def test_a_sequence_number_that_no_spool_can_have_is_refused(key: int, number: int) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    octets = cbor.encode(Envelope("gw-1", b"spool-id", 1, 1, moment, ()))
    content = cbor2.loads(octets)
    assert content[key] == 1
    with pytest.raises(cbor.WireError, match=r"2\*\*63"):
        cbor.open_envelope(cbor2.dumps(content | {key: number}))


@pytest.mark.parametrize("pair", [(0, 1), (-1, 1), (1, 2**63), (2**80, 2**80)])
def test_a_receipt_for_what_no_spool_can_have_is_refused(pair: tuple[int, int]) -> None:
    whole = Receipt(b"spool-id", ((1, 2**63 - 1),))
    assert cbor.decode_receipt(cbor.encode_receipt(whole)) == whole
    with pytest.raises(cbor.WireError, match=r"2\*\*63"):
        cbor.decode_receipt(cbor.encode_receipt(Receipt(b"spool-id", (pair,))))
