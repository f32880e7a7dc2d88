"""E-mail by SMTP: text and HTML, one Message-ID for all tries, and what follows an alert as an answer to it."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
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


class Email:
    """Some addresses, through one server."""

    def __init__(self, name: str, config: EmailSink, policy: AddressPolicy) -> None:
        self._config = config
        self._policy = policy
        self._password = config.password.read(f"sinks.{name}.password") if config.password is not None else ""

    def render(self, message: Message) -> str:
        """Return the whole e-mail."""
        return render(message, self._config)

    async def send(self, delivery: Delivery, _: str, __: int) -> Attempt:
        """Hand it to the server, in a thread: the client of Python's own library waits."""
        return await asyncio.to_thread(self._send, delivery)

    def _send(self, delivery: Delivery) -> Attempt:
        mail = message_from_string(delivery.body, policy=SMTP)
        if not mail["To"]:
            return Failed("nobody to write to: the owner has no e-mail address", is_final=True, is_down=False)
        try:
            with judged(self._policy), self._connect() as server:
                if self._config.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self._config.user:
                    server.login(self._config.user, self._password)
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

    def _connect(self) -> smtplib.SMTP:
        host, port, timeout_s = self._config.host, self._config.port, self._config.timeout_s
        if self._config.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=ssl.create_default_context())
        return smtplib.SMTP(host, port, timeout=timeout_s)


def render(message: Message, config: EmailSink) -> str:
    """Return the e-mail as text; no header can be added by what a lead calls itself."""
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    domain = config.sender.rpartition("@")[2]
    mail["Subject"] = plain(message.title)
    mail["From"] = config.sender
    recipients = [message.owner_email if each == "owner" else each for each in config.to]
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
