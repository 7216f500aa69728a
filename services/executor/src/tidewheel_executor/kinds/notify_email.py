"""`notify.email`: tells of what has ended by mail; served where there is a mail server."""

import json
from typing import Any

from tidewheel_executor.kinds.kind import kind
from tidewheel_executor.kinds.mail import Mail, MailAddress, deliver
from tidewheel_executor.kinds.notify import About, in_words
from tidewheel_executor.kinds.settings import settings_of


@kind("notify.email")
async def email(self: Any, *, to: MailAddress, about: About) -> dict[str, Any]:  # noqa: D417 -- no payload has a self
    """Tell somebody by mail.

    Args:
        to: an address.
        about: what has happened.
    """
    what = about.get("schedule") or about["handler"]
    mail = Mail(
        id=str(self.request.id),
        to=[to],
        subject=f"Tidewheel: {what} {about['event']}"[:200],
        text=f"{in_words(about)}\n\n{json.dumps(about, indent=2, ensure_ascii=False)}\n",
    )
    return await deliver(mail, settings_of(self.app))
