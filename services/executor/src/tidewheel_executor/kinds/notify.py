"""`notify.slack` and `notify.webhook`: tell of what has ended. They are submitted by Tidewheel itself."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from celery.exceptions import Reject
from pydantic import Field
from standardwebhooks import Webhook

from tidewheel_executor.kinds.dial import Dialler
from tidewheel_executor.kinds.exchange import Answer, Call, exchange, read_url
from tidewheel_executor.kinds.http import judge
from tidewheel_executor.kinds.kind import Failure, kind
from tidewheel_executor.kinds.reach import Reach
from tidewheel_executor.kinds.settings import settings_of

TIMEOUT: Final = 20.0
"""Seconds."""

About = dict[str, Any]

Url = Annotated[str, Field(pattern=r"^https?://", max_length=2100)]


class Gone(Reject):
    """The other side wants to be told no more."""


@kind("notify.slack")
async def slack(self: Any, *, url: Url, about: About) -> dict[str, Any]:  # noqa: D417 -- no payload has a self
    """Tell a channel of Slack.

    Args:
        url: of an incoming webhook.
        about: what has happened.
    """
    answer = await _post(self, url, json.dumps({"text": in_words(about)}).encode(), {})
    judge(answer)
    return {"status": answer.status}


@kind("notify.webhook")
async def webhook(  # noqa: D417 -- as above
    self: Any,
    *,
    url: Url,
    secrets: Annotated[list[str], Field(min_length=1, max_length=3)],
    about: About,
) -> dict[str, Any]:
    """Tell an endpoint, signed by Standard Webhooks with each of the secrets.

    Every attempt has the same `webhook-id`. An answer of 410 ends it for good, and disables the rule that it came from.

    Args:
        url: of the endpoint.
        secrets: what it is signed with; more than one while they are being changed.
        about: what has happened.
    """
    subject = "schedule" if "schedule" in about else "task"
    body = json.dumps({"type": f"{subject}.{about['event']}", "timestamp": about["at"], "data": about})
    headers = signed(str(self.request.id), self.request.started_at, body, secrets)
    answer = await _post(self, url, body.encode(), headers)
    if answer.status == HTTPStatus.GONE:
        raise Gone("The endpoint answered 410: it wants to be told no more.", requeue=False)
    judge(answer)
    return {"status": answer.status}


def signed(message_id: str, at: datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a webhook: its id, its time and a signature for each secret."""
    moment = at.replace(microsecond=0)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, moment, body) for secret in secrets),
    }


def in_words(about: About) -> str:
    """Return what has happened, as a sentence for people."""
    match about["event"]:
        case "complete":
            return f"The task {about['handler']} ({about['task_id']}) is complete."
        case "dead":
            cause = ": ".join(filter(None, (about.get("reason"), about.get("error_type"))))
            return f"The task {about['handler']} ({about['task_id']}) is dead at attempt {about['attempt']}: {cause}."
        case "late" if "schedule" not in about:
            return f"The task {about['handler']} ({about['task_id']}) is late: it has not begun by {about['late_at']}."
        case "late":
            return f"The schedule {about['schedule']} fired late for {about['nominal_at']}. {about['reason']}"
        case _:
            return f"The schedule {about['schedule']} missed {about['nominal_at']}. {about['reason']}"


async def _post(self: Any, url: str, body: bytes, headers: dict[str, str]) -> Answer:
    settings = settings_of(self.app)
    all_headers = {"content-type": "application/json", "user-agent": "tidewheel", "accept-encoding": "identity"}
    call = Call(method="POST", url=read_url(url), headers={**all_headers, **headers}, body=body)
    try:
        async with asyncio.timeout(TIMEOUT):
            return await exchange(call, Dialler(Reach(settings.http_allow)), most=1000)
    except TimeoutError:
        raise Failure(f"{call.url.host} did not answer within {TIMEOUT:g} s.") from None
