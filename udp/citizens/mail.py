"""Tell people by mail what they else find only behind their personal link; never needed, never logged."""

from __future__ import annotations

import logging
import smtplib
import ssl
from email.message import EmailMessage

from udp.citizens.settings import MailSettings

log = logging.getLogger(__name__)

_WITHIN_S = 20.0


def send(settings: MailSettings | None, to: str, subject: str, text: str) -> bool:
    """Whether it was handed over. A server that is away is no reason to fail: the page says the same."""
    if settings is None:
        return False
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.sender, to, subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        with smtplib.SMTP(settings.host, settings.port, timeout=_WITHIN_S) as server:
            if settings.encrypted:
                server.starttls(context=ssl.create_default_context())
            if settings.username is not None and settings.password is not None:
                server.login(settings.username, settings.password.reveal())
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        # Neither the address nor the text belong in a log.
        log.warning(
            "mail server %s:%d: %s; nothing was sent", settings.host, settings.port, type(error).__name__
        )
        return False
    return True
