"""`email.send`: sends a mail through the operator's mail server."""

from typing import Annotated, Any

from pydantic import Field

from tidewheel_executor.kinds.kind import kind
from tidewheel_executor.kinds.mail import Line, Mail, MailAddress, deliver
from tidewheel_executor.kinds.settings import settings_of

Addresses = Annotated[list[MailAddress], Field(max_length=100)]


@kind("email.send")
async def send(  # noqa: D417 -- the docstring is published, and no payload has a self
    self: Any,
    *,
    to: Annotated[list[MailAddress], Field(min_length=1, max_length=100)],
    subject: Line,
    text: str = "",
    html: str | None = None,
    cc: Addresses | None = None,
    bcc: Addresses | None = None,
    reply_to: MailAddress | None = None,
) -> dict[str, Any]:
    """Send a mail, and return its Message-ID and the recipients that were refused.

    Every attempt sends the same Message-ID: a mail that comes twice because an executor was lost can be told as such.

    Args:
        to: addresses, without names.
        subject: one line.
        text: the plain text.
        html: the same as HTML.
        cc: addresses that get a copy.
        bcc: addresses that get a copy of which nobody else knows.
        reply_to: where answers go.
    """
    mail = Mail(
        id=str(self.request.id),
        to=to,
        subject=subject,
        text=text,
        html=html,
        cc=cc or (),
        bcc=bcc or (),
        reply_to=reply_to,
    )
    return await deliver(mail, settings_of(self.app))
