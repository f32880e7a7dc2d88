"""E-mail by SMTP: text and HTML, one Message-ID for all tries, and what follows an alert as an answer to it."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import EmailSink
from streams.delivery.escaping import html, plain
from streams.delivery.guard import AddressPolicy, judged
from streams.delivery.messages import Message
from streams.delivery.records import Delivery
from streams.delivery.sinks.base import failure_of_error
from streams.mail_server import MailServer


class Email:
    """Some addresses, through one server; ``sender`` is the settings' own, unless the file names another."""

    def __init__(self, config: EmailSink, server: MailServer, sender: str, policy: AddressPolicy) -> None:
        self._config = config
        self._server = server
        self._sender = config.sender or sender
        self._policy = policy

    def render(self, message: Message) -> str:
        """Return the whole e-mail."""
        return render(message, self._sender, self._config.to)

    async def send(self, delivery: Delivery, _: str, __: int) -> Attempt:
        """Hand it to the server, in a thread: the client of Python's own library waits."""
        return await asyncio.to_thread(self._send, delivery)

    def _send(self, delivery: Delivery) -> Attempt:
        mail = message_from_string(delivery.body, policy=SMTP)
        if not mail["To"]:
            return Failed("nobody to write to: the owner has no e-mail address", is_final=True, is_down=False)
        try:
            with judged(self._policy), self._server.connect(self._config.timeout_s) as server:
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return Failed(f"all recipients refused: {codes}", is_final=min(codes) >= 500, is_down=False)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            is_final = error.smtp_code >= 500
            return Failed(f"refused with {error.smtp_code}", is_final=is_final, is_down=not is_final)
        except smtplib.SMTPException as error:
            return Failed(f"failed: {type(error).__name__}")
        except OSError as error:
            return failure_of_error(error)
        return Sent(f"{len(refused)} recipients refused" if refused else "")


def render(message: Message, sender: str, to: Sequence[str]) -> str:
    """Return the e-mail as text; no header can be added by what a lead calls itself."""
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    domain = sender.rpartition("@")[2]
    mail["Subject"] = plain(message.title)
    mail["From"] = sender
    recipients = [message.owner_email if each == "owner" else each for each in to]
    mail["To"] = ", ".join(dict.fromkeys(filter(None, recipients)))
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.time_ms / 1000, UTC))
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    if message.about:
        mail["In-Reply-To"] = mail["References"] = f"<{message.about}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(message), cte="base64")
    mail.add_alternative(_html(message), subtype="html", cte="base64")
    mail.set_boundary(f"=_{message.id}")
    return mail.as_string()


def _text(message: Message) -> str:
    lines = [message.title, ""]
    lines += [f"{label}: {text}" for label, text in message.facts]
    lines += ["", *(f"- {line}" for line in message.reasons)]
    lines += ["", *message.notes]
    lines += ["", *(f"{label}: {url}" for label, url in message.buttons)]
    return "\n".join(lines) + "\n"


def _html(message: Message) -> str:
    facts = "".join(f"<tr><td>{html(label)}</td><td>{html(text)}</td></tr>" for label, text in message.facts)
    reasons = "".join(f"<li>{html(line)}</li>" for line in message.reasons)
    notes = "".join(f"<p><small>{html(note)}</small></p>" for note in message.notes)
    buttons = " &middot; ".join(f'<a href="{html(url)}">{html(label)}</a>' for label, url in message.buttons)
    return (
        f"<!doctype html><html><body><h3>{html(message.title)}</h3><table>{facts}</table><ul>{reasons}</ul>{notes}"
        f"<p>{buttons}</p></body></html>\n"
    )
