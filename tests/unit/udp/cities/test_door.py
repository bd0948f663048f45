"""What the door does to a request and an answer: nothing, but for who asks and whose cookies they are."""

# ruff: noqa: E501 - tables of addresses are read line by line

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, IncompleteRead

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, RejectConnection
from wsproto.events import Request as Opening

from udp.cities.behind import Behind
from udp.cities.door import FrontDoor
from udp.framing import Unambiguous

_WITHIN_S = 60.0


async def told(request: Request) -> Response:
    """What reached the city."""
    body = await request.body()
    scope = request.scope
    return JSONResponse(
        {
            "path": scope["path"], "raw": scope["raw_path"].decode(), "query": scope["query_string"].decode(),
            "client": list(scope["client"]), "scheme": scope["scheme"], "method": scope["method"],
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
            "octets": len(body), "city": request.app.state.city,
        },
        headers={"X-Of-City": request.app.state.city},
    )  # fmt: skip


async def slowly(_request: Request) -> Response:
    async def parts():
        for number in range(1_000):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(parts(), media_type="text/event-stream")


async def breaks(_request: Request) -> Response:
    async def parts():
        yield b"half"
        raise RuntimeError("the city falls over")

    return StreamingResponse(parts(), headers={"Content-Length": "8"})


async def refuses(_request: Request) -> Response:
    """Without having read what comes."""
    return Response("too much", 413, headers={"Connection": "close"})


async def hops(_request: Request) -> Response:
    """As a city that knows too much about connections would answer."""
    return Response(
        b"four",
        headers={
            "Connection": "X-Of-Line, content-length", "X-Of-Line": "1", "Keep-Alive": "timeout=5",
            "Proxy-Authenticate": "Basic", "Trailer": "X-End", "Upgrade": "h2c", "X-Of-City": "main",
        },
    )  # fmt: skip


async def echo(websocket) -> None:
    if websocket.query_params.get("no") or "x-of-line" in websocket.headers:
        await websocket.close(1008)
        return
    await websocket.accept("mqtt")
    while True:
        message = await websocket.receive()
        if message["type"] != "websocket.receive":
            return
        await websocket.send_bytes(message["bytes"] + f" {websocket.client.host}".encode())


def city(name: str) -> Starlette:
    ways = [
        Route(f"/{{rest:path}}/{word}", endpoint)
        for word, endpoint in (("slowly", slowly), ("breaks", breaks), ("hops", hops))
    ]
    ways += [
        Route("/{rest:path}/refuses", refuses, methods=["POST"]), WebSocketRoute("/{rest:path}/mqtt", echo),
        Route("/{rest:path}", told, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ]  # fmt: skip
    app = Starlette(routes=ways)
    app.state.city = name
    return app


class Running(uvicorn.Server):
    def __init__(self, app, **more) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Unambiguous,
                log_config=None,
                ws="wsproto",
                lifespan="off",
                proxy_headers=False,
                **more,
            )
        )
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        end = time.monotonic() + _WITHIN_S
        while not self.started:
            assert time.monotonic() < end
            time.sleep(0.01)

    @property
    def port(self) -> int:
        return self.servers[0].sockets[0].getsockname()[1]

    def end(self) -> None:
        self.should_exit = self.force_exit = True
        self.thread.join(_WITHIN_S)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s")
    sockets = {"": folder / "main.sock", "/herne": folder / "herne.sock", "/weg": folder / "weg.sock"}
    cities = [
        Running(Behind(city(name)), uds=str(sockets[root]))
        for root, name in (("", "main"), ("/herne", "herne"))
    ]
    made = Running(FrontDoor(sockets), host="127.0.0.1", port=0, date_header=False)
    yield made.port
    for one in (made, *cities):
        one.end()


def ask(port, path, method="GET", body=None, headers=None):
    line = HTTPConnection("127.0.0.1", port, timeout=_WITHIN_S)
    with contextlib.closing(line):
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        return answer, answer.read()


def heard(port, path, **more):
    answer, body = ask(port, path, **more)
    assert answer.status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(
    ("path", "city"),
    [
        ("/", "main"), ("/herne", "herne"), ("/herne/", "herne"), ("/herne/v1.1/Things(1)", "herne"), ("/hernesued/", "main"),
        ("/HERNE/", "main"), ("//herne/", "main"), ("/x/../herne/", "main"), ("/herne/../v1.1", "herne"),
        ("/%68erne/v1.1", "herne"), ("/herne%2Fv1.1", "herne"), ("/v1.1/herne", "main"), ("/herne;x/", "main"), ("/?a=/herne/", "main"),
    ],
)  # fmt: skip
def test_the_first_part_says_whose_it_is(door, path, city):
    assert heard(door, path)["city"] == city


def test_addresses_and_queries_arrive_as_they_were_written(door):
    found = heard(door, "/herne/v1.1/Things?$filter=name%20eq%20'%C3%A4'&x=%2F;")
    assert found["raw"] == "/herne/v1.1/Things"
    assert found["query"] == "$filter=name%20eq%20'%C3%A4'&x=%2F;"
    assert heard(door, "/herne/a%20b/%C3%A4")["raw"] == "/herne/a%20b/%C3%A4"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_bodies_arrive_whole(door, method, size):
    found = heard(door, "/herne/x", method=method, body=b"x" * size)
    assert (found["method"], found["octets"]) == (method, size)


def test_a_body_in_chunks_arrives_whole(door):
    found = heard(
        door,
        "/herne/x",
        method="POST",
        body=iter([b"a" * 70_000, b"b"]),
    )
    assert found["octets"] == 70_001


def test_callers_are_who_the_door_says_and_nobody_can_say_otherwise(door):
    lies = {"X-Udp-Caller": "8.8.8.8 1 https", "X-Forwarded-For": "9.9.9.9", "Forwarded": "for=9.9.9.9"}
    found = heard(door, "/herne/", headers=lies)
    assert found["client"][0] == "127.0.0.1"
    assert found["scheme"] == "http"
    names = [name for name, _ in found["headers"]]
    assert "x-udp-caller" not in names
    # As without a door: a proxy that is not named is noticed, not believed.
    assert "x-forwarded-for" in names


def test_each_city_gets_its_own_cookies_and_those_of_nobody(door):
    given = "udp_session=a; __Host-udp_session=b; udp-herne_session=c; __Secure-udp-herne_session=d; udp-herne-sued_session=e; theme=dark"
    for path, wanted in (
        ("/", "udp_session=a; __Host-udp_session=b; theme=dark"),
        ("/herne/", "udp-herne_session=c; __Secure-udp-herne_session=d; theme=dark"),
    ):
        assert dict(map(tuple, heard(door, path, headers={"Cookie": given})["headers"]))["cookie"] == wanted


def test_what_is_for_one_connection_ends_at_the_door(door):
    sent = {
        "Connection": "keep-alive, X-Of-Line ,HOST,Content-Length, x-udp-caller, cookie", "X-Of-Line": "1",
        "Keep-Alive": "timeout=5", "TE": "trailers", "Trailer": "X-End", "Proxy-Connection": "keep-alive",
        "Proxy-Authorization": "Basic eDp5", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
        "X-End-To-End": "1", "Cookie": "theme=dark",
    }  # fmt: skip
    found = heard(door, "/herne/x", method="POST", body=b"abc", headers=sent)
    names = {name for name, _ in found["headers"]}
    # Whose it is, how long it is, who asks and whose cookies they are nobody takes away.
    assert names == {
        "host", "accept-encoding", "content-length", "http2-settings", "x-end-to-end", "cookie",
    }  # fmt: skip
    assert (found["octets"], found["client"][0]) == (3, "127.0.0.1")
    sent["Connection"] += ", Upgrade, HTTP2-Settings"
    found = heard(door, "/herne/x", method="POST", body=b"abc", headers=sent)
    assert {name for name, _ in found["headers"]} == names - {"http2-settings"}


def test_what_the_city_says_of_its_connection_ends_at_the_door_too(door):
    answer, body = ask(door, "/herne/hops")
    assert body == b"four"
    assert {name.lower() for name in answer.headers} == {"server", "date", "content-length", "x-of-city"}


def raw(port: int, octets: bytes) -> bytes:
    """All that comes until the door hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), _WITHIN_S) as line:
        line.sendall(octets)
        while part := line.recv(65_536):
            answer += part
    return answer


HIDDEN = b"GET /herne/hidden HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: identity", b"Content-Length: 5\r\nContent-Length: 0",
        b"Content-Length: 5, 0", b"Content-Length: +5", b"Content-Length : 5", b"Content-Length: 0x5",
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: \x0bchunked",
    ],
)  # fmt: skip
def test_a_request_whose_end_can_be_read_in_two_ways_hides_no_other(door, framing):
    sent = b"POST /herne/x HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n0\r\n\r\n" + HIDDEN
    answer = raw(door, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1 and b"hidden" not in answer


OPENING = (
    b"GET /herne/mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
)


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("body", [b"", b"\x82\x80\x00\x00\x00", b"0\r\n\r\n"])
def test_an_opening_that_announces_a_body_is_refused_at_once(door, framing, body):
    answer = raw(door, OPENING + framing + b"\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"body" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_an_opening_may_say_that_it_has_no_body(door):
    with socket.create_connection(("127.0.0.1", door), _WITHIN_S) as line:
        line.sendall(OPENING + b"Content-Length: 0\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 101 ")


def test_a_body_that_looks_like_a_request_is_a_body(door):
    found = heard(door, "/herne/x", method="GET", body=HIDDEN)
    assert found["octets"] == len(HIDDEN)


def test_head_has_no_body_and_the_answer_s_headers(door):
    answer, body = ask(door, "/herne/", "HEAD")
    assert (answer.status, answer.headers["X-Of-City"], body) == (200, "herne", b"")
    assert int(answer.headers["Content-Length"]) > 100
    assert len(answer.headers.get_all("Date")) == 1


def test_an_endless_answer_comes_as_it_is_made_and_ends_with_its_reader(door):
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{door}/herne/slowly", timeout=_WITHIN_S) as answer:
        assert answer.readline() == b"data: 0\n"
    assert time.monotonic() - began < 10, "all of it takes 20 s"


def test_an_answer_that_breaks_off_is_broken_off_here_too(door):
    line = HTTPConnection("127.0.0.1", door, timeout=_WITHIN_S)
    line.request("GET", "/herne/breaks")
    answer = line.getresponse()
    with pytest.raises(IncompleteRead):
        answer.read()
    line.close()


def test_a_refusal_before_the_body_has_come_is_told(door):
    answer, body = ask(door, "/herne/refuses", "POST", b"x" * 5_000_000)
    assert (answer.status, body) == (413, b"too much")


def test_a_city_that_is_away_is_told_so_and_the_others_answer(door):
    answer, body = ask(door, "/weg/v1.1")
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b'"/weg/api#city-away"' in body
    answer, body = ask(door, "/weg/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status, answer.headers["Refresh"]) == (503, "5")
    assert "gestartet" in body.decode()
    assert heard(door, "/herne/")["city"] == "herne"


def websocket(port, path, sent):
    line, state = (
        socket.create_connection(("127.0.0.1", port), _WITHIN_S),
        WSConnection(ConnectionType.CLIENT),
    )
    asked = state.send(Opening(host="x", target=path, subprotocols=["mqtt"]))
    with contextlib.closing(line):
        line.sendall(asked.replace(b"Connection: Upgrade", b"X-Of-Line: 1\r\nConnection: Upgrade, X-Of-Line"))
        found = []
        while not any(isinstance(one, BytesMessage) and one.message_finished for one in found):
            part = line.recv(65536)
            state.receive_data(part or None)
            for event in state.events():
                found.append(event)
                if isinstance(event, RejectConnection):
                    return event, b""
                if isinstance(event, AcceptConnection):
                    line.sendall(state.send(BytesMessage(data=sent)))
            if not part:
                break
        return found[0], b"".join(one.data for one in found if isinstance(one, BytesMessage))


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_websockets_carry_whole_messages_both_ways(door, size):
    opened, body = websocket(door, "/herne/mqtt", b"x" * size)
    assert isinstance(opened, AcceptConnection)
    assert opened.subprotocol == "mqtt"
    assert body == b"x" * size + b" 127.0.0.1"


def test_a_websocket_the_city_refuses_or_cannot_take_is_refused(door):
    for path in ("/herne/mqtt?no=1", "/weg/mqtt"):
        opened, _ = websocket(door, path, b"")
        assert isinstance(opened, RejectConnection), path
