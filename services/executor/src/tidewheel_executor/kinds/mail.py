"""Mail: a message from its parts, and its way to the mail server."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from typing import Annotated, Any

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    send,
)
from pydantic import Field

from tidewheel_executor.kinds.kind import Failure, Impossible
from tidewheel_executor.kinds.settings import KindSettings

MailAddress = Annotated[str, Field(pattern=r'^[^@\s<>,;:"\\()\[\]]{1,64}@[^@\s<>,;:"\\()\[\]]{1,253}$')]

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=900)]

PERMANENT = 500
"""The first SMTP code that says that trying again cannot help."""

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message. The same `id` always makes the same Message-ID, so that who gets it twice can tell."""

    id: str
    to: Sequence[str]
    subject: str
    text: str
    html: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: str | None = None


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Return a message as it is sent; blind copies do not stand in it.

    Raises:
        Impossible: a header cannot be written.
    """
    name, address = parseaddr(sender)
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(display_name=name, addr_spec=address)
        message["To"] = ", ".join(mail.to)
        if mail.cc:
            message["Cc"] = ", ".join(mail.cc)
        if mail.reply_to is not None:
            message["Reply-To"] = mail.reply_to
        message["Subject"] = mail.subject
    except (ValueError, LookupError) as error:
        raise Impossible(f"The message cannot be written: {error}") from error
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message


async def deliver(mail: Mail, settings: KindSettings) -> dict[str, Any]:
    """Hand a message to the mail server; return its id and whom the server refused.

    Raises:
        Impossible: the server refuses it for good.
        Failure: it may take it at another time.
    """
    if settings.smtp_host is None:
        raise Failure("This executor has no mail server; set TIDEWHEEL_SMTP_HOST.")
    message = compose(mail, settings.smtp_sender)
    password = settings.smtp_password
    try:
        refused, _ = await send(
            message,
            recipients=[*mail.to, *mail.cc, *mail.bcc],
            hostname=settings.smtp_host,
            port=settings.smtp_port or _PORTS[settings.smtp_security],
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            timeout=settings.smtp_timeout,
        )
    except (SMTPException, OSError) as error:
        sentence = f"The mail server did not take the message: {error}"
        raise Impossible(sentence) if _is_final(error) else Failure(sentence) from error
    return {
        "message_id": message["Message-ID"],
        "refused": {address: f"{answer.code} {answer.message}" for address, answer in refused.items()},
    }


def _is_final(error: Exception) -> bool:
    match error:
        case SMTPRecipientsRefused(recipients=several):
            return all(each.code >= PERMANENT for each in several)
        case SMTPAuthenticationError():
            return False  # the operator can mend it
        case SMTPRecipientRefused() | SMTPResponseException():
            return error.code >= PERMANENT
        case _:
            return False
