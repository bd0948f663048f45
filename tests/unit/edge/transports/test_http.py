"""The way without a broker: an answer is a receipt, no answer loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.transports.http import HttpSettings, HttpTransport
from edge.transports.port import Refusal, TransportEnded
from edge.wire import cbor
from edge.wire.messages import Clock, Command, Reading, Receipt
from edge.wire.settings import Secret

PATIENCE_S = 60.0
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
RECEIPT = Receipt(b"spool-id", ((1, 3),))
Answer = tuple[int, bytes]


class Receiver:
    """A real HTTP/1.1 server that answers as it is told and remembers what it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[bytes], Answer] = lambda _: (200, cbor.encode_receipt(RECEIPT))
        self.asked: list[tuple[str, str | None, bytes]] = []
        self.close_after_each = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, self.headers["Authorization"], body))
                status, answer = outer.answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                # Closing without having announced it, as a server does with idle connections.
                self.close_connection = outer.close_after_each

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Line:
    """A transport and what it says."""

    def __init__(self, port: int) -> None:
        self.woken = threading.Event()
        settings = HttpSettings(url=f"http://127.0.0.1:{port}", token=Secret("s3cret"), timeout_s=5)
        self.transport = HttpTransport(settings, "crx-gw-1", self.woken.set)

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE_S / 0.2)):
            if condition():
                return
            self.woken.wait(0.2)
            self.woken.clear()
        pytest.fail("did not happen in time")

    def receipts(self, count: int) -> list[Receipt | Command | Refusal]:
        taken: list[Receipt | Command | Refusal] = []

        def enough() -> bool:
            taken.extend(self.transport.take())
            return len(taken) >= count

        self.until(enough)
        return taken


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def line(receiver: Receiver) -> Iterator[Line]:
    running = Line(receiver.port)
    yield running
    running.transport.close()


def test_the_answer_is_the_receipt(line: Line, receiver: Receiver) -> None:
    assert line.transport.send(b"envelope")
    assert line.receipts(1) == [RECEIPT]
    assert receiver.asked == [("/edge/v1/crx-gw-1/up", "Bearer s3cret", b"envelope")]


def test_an_idle_connection_that_was_closed_is_no_trouble(
    line: Line, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.close_after_each = True
    for number in range(3):
        assert line.transport.send(b"%d" % number)
        line.receipts(1)
    assert line.transport.connection == 1
    assert "trying again" not in caplog.text


def test_a_receiver_that_is_away_makes_a_new_connection_when_it_is_back(receiver: Receiver) -> None:
    line = Line(receiver.port)
    receiver.close()
    assert line.transport.send(b"first")
    line.until(lambda: line.transport.connection is None)
    assert not line.transport.send(b"second")
    back = Receiver(receiver.port)
    line.until(lambda: line.transport.connection == 2)
    assert line.receipts(1) == [RECEIPT]
    assert [body for _, _, body in back.asked] == [b"first"]
    line.transport.close()
    back.close()


def envelope(first: int, count: int) -> bytes:
    bodies = [cbor.encode_message(Reading("air", NOON, NOON, Clock.NTP, {"pm10": 7.0}))] * count
    return cbor.assemble(
        agent="crx-gw-1", spool=b"spool-id", sequence=first, floor=1, sent_at=NOON, messages=bodies
    )


@pytest.mark.parametrize(("status", "too_large"), [(413, True), (422, False), (400, False)])
def test_an_envelope_that_is_refused_for_good_holds_up_nobody_and_is_named(
    line: Line, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int, too_large: bool
) -> None:
    bad = envelope(7, 3)
    receiver.answer = lambda body: (status, b"no") if body == bad else (200, cbor.encode_receipt(RECEIPT))
    for _ in range(2):
        line.transport.send(bad)
    line.transport.send(envelope(1, 3))
    refusal = Refusal(b"spool-id", 7, 9, too_large=too_large)
    assert line.receipts(3) == [refusal, refusal, RECEIPT]
    assert caplog.text.count(f"HTTP {status}") == 1, "equal refusals are one line"
    assert line.transport.connection == 1


@pytest.mark.parametrize(
    ("answer", "what"),
    [((401, b""), "token"), ((503, b"journal full"), "journal full"), ((200, b"\xff"), "not CBOR")],
)
def test_every_other_refusal_is_named_and_tried_again(
    line: Line, receiver: Receiver, caplog: pytest.LogCaptureFixture, answer: Answer, what: str
) -> None:
    receiver.answer = lambda _: answer
    line.transport.send(b"envelope")
    line.until(lambda: line.transport.connection is None)
    assert what in caplog.text
    assert "s3cret" not in caplog.text
    receiver.answer = lambda _: (200, cbor.encode_receipt(RECEIPT))
    assert line.receipts(1) == [RECEIPT]


@pytest.mark.parametrize(
    ("url", "what"),
    [("http://udp.example", "clear text"), ("ftp://x", "https://host"), ("https://x/path", "https://host")],
)
def test_an_address_that_betrays_the_token_is_refused(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        HttpSettings(url=url, token=Secret("x"))


@pytest.mark.parametrize("token", ["", "two\nlines", "a\rb", "Schl\u00fcssel", "\u20ac", "a b"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match=r"^token: ") as refusal:
        HttpSettings(url="https://udp.example", token=Secret(token))
    assert not token or token not in str(refusal.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fell_over_is_not_passed_over_in_silence(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: bytes) -> Receipt:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(line.transport, "_post", broken)
    line.transport.send(b"envelope")

    def ended() -> bool:
        try:
            line.transport.take()
        except TransportEnded:
            return True
        return False

    line.until(ended)
