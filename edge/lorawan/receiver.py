"""From a frame to an uplink of a known device, if we hold its key; else the frame stays a frame."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Final

from edge.codecs.port import Codec, CodecError
from edge.lorawan.frame import FrameError, parse_data_up
from edge.lorawan.keyring import Keyring, Opened, Unresolved
from edge.wire.messages import Frame, Record, Uplink

log = logging.getLogger(__name__)

_APPLICATION_PORTS: Final = range(1, 224)
# What a careless codec raises on bytes its author never saw; the raw payload travels on either way.
_CODEC_FAILURES: Final = (CodecError, ValueError, LookupError, TypeError, ArithmeticError, struct.error)


class Receiver:
    """Opens frames with a keyring and decodes where a session names a codec."""

    def __init__(self, keyring: Keyring, codec_named: Callable[[str], Codec] | None = None) -> None:
        self._keyring = keyring
        self._codec_named = codec_named
        self._codecs: dict[str, Codec | None] = {}

    def open(self, frame: Frame) -> Uplink | Frame:
        """The uplink in `frame`, or `frame` itself: other kinds of frames, strangers, MAC commands."""
        try:
            opened = self._keyring.open(parse_data_up(frame.phy_payload))
        except (FrameError, Unresolved) as reason:
            log.debug("%s", reason)
            return frame
        if opened.f_port is None or opened.f_port not in _APPLICATION_PORTS:
            return frame
        return self._uplink(frame, opened, opened.f_port)

    def _uplink(self, frame: Frame, opened: Opened, f_port: int) -> Uplink:
        session = opened.session
        return Uplink(
            dev_eui=session.dev_eui,
            session=session.dev_addr,
            f_cnt=opened.f_cnt,
            f_port=f_port,
            payload=opened.payload,
            received_at=frame.received_at,
            clock=frame.clock,
            receptions=frame.receptions,
            data_rate=frame.data_rate,
            frequency_hz=frame.frequency_hz,
            records=self._decoded(frame, opened, f_port),
            codec=session.codec,
        )

    def _decoded(self, frame: Frame, opened: Opened, f_port: int) -> tuple[Record, ...] | None:
        name = opened.session.codec
        codec = None if name is None else self._codec(name)
        if codec is None:
            return None
        try:
            return codec(opened.payload, f_port, frame.received_at).records
        except _CODEC_FAILURES as error:
            log.warning(
                "device %s: codec %s: %s; the payload travels raw", opened.session.dev_eui, name, error
            )
            return None

    def _codec(self, name: str) -> Codec | None:
        if name not in self._codecs:
            self._codecs[name] = self._find(name)
        return self._codecs[name]

    def _find(self, name: str) -> Codec | None:
        if self._codec_named is None:
            return None
        try:
            return self._codec_named(name)
        except (KeyError, CodecError) as error:
            log.error(  # noqa: TRY400
                "codec %r is not known to this agent; its devices' payloads travel raw: %s", name, error
            )
            return None
