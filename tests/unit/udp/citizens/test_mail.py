"""Mail leaves by SMTP as a mail server hears it; no server, no mail, and no harm."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator

import pytest
from loopback import free_port

from udp.citizens.mail import send
from udp.citizens.settings import MailSettings


class Conversation(socketserver.StreamRequestHandler):
    """A mail server's side of RFC 5321, without extensions; `server.refuses` is what it will not take."""

    def handle(self) -> None:
        heard, refuses = self.server.heard, self.server.refuses
        self._say("220 post")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            word = line.split()[0].upper()
            if word == refuses:
                self._say("550 no")
            elif word == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                heard.append(b"".join(one.removeprefix(b".") for one in lines))
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                heard.append(line)
                self._say("250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def post() -> Iterator[socketserver.TCPServer]:
    with socketserver.TCPServer(("127.0.0.1", 0), Conversation) as server:
        server.heard, server.refuses = [], ""
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(port: int) -> MailSettings:
    return MailSettings("127.0.0.1", "stadt@beispiel.de", port, encrypted=False)


def test_a_server_hears_sender_receiver_and_the_whole_text(post: socketserver.TCPServer) -> None:
    text = "Grüße aus Ickern\n\n.eine Zeile mit Punkt\nhttps://stadt.test/buerger/mein/link_x\n"
    assert send(settings(post.server_address[1]), "erika@beispiel.de", "Ihr Sensor: Prüfung", text)
    heard = post.heard
    assert "erika@beispiel.de" in next(one for one in heard if str(one).upper().startswith("RCPT"))
    message = email.message_from_bytes(heard[-1], policy=email.policy.default)
    assert (message["To"], message["From"]) == ("erika@beispiel.de", "stadt@beispiel.de")
    assert message["Subject"] == "Ihr Sensor: Prüfung"
    assert message.get_content().replace("\r\n", "\n") == text


def test_what_the_server_refuses_is_said_without_address_and_text(
    post: socketserver.TCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    post.refuses = "RCPT"
    assert not send(settings(post.server_address[1]), "erika@beispiel.de", "Betreff", "geheimer link_x")
    assert "nothing was sent" in caplog.text
    assert "erika" not in caplog.text
    assert "link_x" not in caplog.text


def test_a_server_that_is_away_breaks_nothing() -> None:
    port = free_port()
    assert not send(settings(port), "erika@beispiel.de", "Betreff", "Text")


def test_mail_never_crosses_a_network_in_clear_text() -> None:
    with pytest.raises(ValueError, match="clear text"):
        MailSettings("mail.beispiel.de", "stadt@beispiel.de", encrypted=False)
