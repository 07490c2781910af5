"""E-mail by SMTP, with one-click unsubscription (RFC 8058) where there is something to end.

Mail programs offer the click only when the mail is signed (DKIM) with these headers covered: the
server that the mail is handed to has to do that.

The Message-ID follows from the message's id, so that a mail system can recognise a repeat; but
none has to, so an attempt of unknown outcome counts as not repeatable.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Final

import aiosmtplib

from campaigns.channels.port import Outcome, Outgoing, Refused, Taken, Unknown
from keyturn_chassis.clock import wall_now
from keyturn_events.vocabulary import FailureReason

TIMEOUT_SECONDS: Final = 20.0
"""How long the server may take for each answer."""
_MAIL: Final = SMTP.clone(cte_type="7bit")
"""Takes its way through servers that pass on 7 bits only."""
_PERMANENT: Final = 500
"""SMTP reply codes from here on are final (RFC 5321, section 4.2.1)."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in, and in whose name."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = None
    start_tls: bool | None = None
    """None takes TLS where the server offers it."""


class SmtpChannel:
    """Hands messages to one SMTP server, a connection each."""

    repeatable = False

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def deliver(self, message: Outgoing) -> Outcome:
        """Send an e-mail and wait for the server's word on it.

        Only once the content is on its way can the outcome be unknown.
        """
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            start_tls=server.start_tls,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError:
            return Refused(FailureReason.REJECTED, lasting=False)
        except (aiosmtplib.SMTPException, OSError):
            return Refused(FailureReason.UNREACHABLE, lasting=False)
        try:
            return await self._hand_in(client, message)
        finally:
            client.close()

    async def _hand_in(self, client: aiosmtplib.SMTP, message: Outgoing) -> Outcome:
        try:
            content = self._mail(message).as_bytes()
            await client.mail(self._server.sender)
            await client.rcpt(message.to)
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except ValueError:
            return Refused(FailureReason.REJECTED, lasting=True)
        except (aiosmtplib.SMTPException, OSError):
            return Refused(FailureReason.UNREACHABLE, lasting=False)
        try:
            _, reply = await client.data(content)
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except (aiosmtplib.SMTPException, OSError):
            return Unknown()
        return Taken(reply[:200] if reply.isprintable() and reply else None)

    def _mail(self, message: Outgoing) -> EmailMessage:
        domain = self._server.sender.rpartition("@")[2]
        mail = EmailMessage(_MAIL)
        mail["From"] = self._server.sender
        mail["To"] = formataddr((message.name or "", message.to))
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(wall_now())
        mail["Message-ID"] = f"<{message.message_id}@{domain}>"
        mail.set_content(message.body)
        mail["Content-Language"] = message.language
        if message.unsubscribe_url is not None:
            mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return mail


def _refused(code: int) -> Refused:
    if code >= _PERMANENT:
        return Refused(FailureReason.REJECTED, lasting=True)
    return Refused(FailureReason.UNREACHABLE, lasting=False)
