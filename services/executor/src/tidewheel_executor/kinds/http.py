"""`http.request`: calls a URL."""

import asyncio
import base64
import json
import re
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from tidewheel_common.process.tracing import current_traceparent
from tidewheel_executor.kinds.dial import Dialler
from tidewheel_executor.kinds.exchange import Answer, Call, exchange, read_url
from tidewheel_executor.kinds.kind import Failure, Impossible, Later, kind
from tidewheel_executor.kinds.reach import Reach
from tidewheel_executor.kinds.settings import settings_of

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Headers = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")],
    Annotated[str, Field(pattern=r"^[\t\x20-\x7e]{0,8000}$")],
]

Status = Annotated[int, Field(ge=100, le=599)]

RESERVED = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("accept-encoding", "expect", "proxy-authorization", "proxy-connection"),
        *("idempotency-key", "x-tidewheel-attempt"),
    }
)
"""Headers that are Tidewheel's to set."""

SUCCESS = range(200, 300)

BUSY = (429, 503)
"""Statuses whose `Retry-After` is the next backoff."""

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What no text has; as JSON it would be six times as long."""

_SHOWN = 500
"""Characters of an unwanted answer that are shown in the error."""


@kind("http.request")
async def request(  # noqa: D417 -- the docstring is published, and no payload has a self
    self: Any,
    *,
    url: Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://", max_length=8000)],
    method: Method = "GET",
    headers: Headers | None = None,
    body: Any = None,
    expected_status: Annotated[list[Status], Field(min_length=1)] | None = None,
    timeout: Annotated[float, Field(gt=0, le=3600)] = 30.0,  # noqa: ASYNC109 -- the task's owner sets it
    redirects: Annotated[int, Field(ge=0, le=5)] = 0,
) -> dict[str, Any]:
    """Call a URL, and return status, headers and body of the answer.

    Every attempt sends `Idempotency-Key: <task id>` and `X-Tidewheel-Attempt: <number>`. Only public addresses are
    called, and what the operator allows. `Retry-After` of a 429 or 503 is the time until the next attempt.

    Args:
        url: http or https.
        method: of HTTP.
        headers: to send.
        body: a text is sent as it is, anything else as JSON.
        expected_status: what counts as success; 200 to 299 when it is left out.
        timeout: seconds for all of it.
        redirects: how many are followed.
    """
    settings = settings_of(self.app)
    call = Call(
        method=method,
        url=read_url(url),
        headers=_headers(headers or {}, body, self.request),
        body=_content(body),
        redirects=redirects,
    )
    dialler = Dialler(Reach(settings.http_allow))
    try:
        async with asyncio.timeout(timeout):
            answer = await exchange(call, dialler, most=settings.http_response_bytes)
    except TimeoutError:
        raise Failure(f"{call.url.host} did not answer within {timeout:g} s.") from None
    judge(answer, expected_status)
    return shown(answer)


def judge(answer: Answer, expected: list[int] | None = None) -> None:
    """Accept an answer, or say why not.

    Raises:
        Later: the server says when to come again.
        Failure: the status is none of the expected ones.
    """
    wanted = SUCCESS if expected is None else expected
    if answer.status in wanted:
        return
    words = "2xx" if expected is None else ", ".join(map(str, expected))
    sentence = f"The server answered {answer.status}; expected: {words}. {_text(answer)[0][:_SHOWN]}".rstrip()
    wait = retry_after(answer) if answer.status in BUSY else None
    raise Failure(sentence) if wait is None else Later(sentence, wait)


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that a server asks to be left alone; None when it does not say.

    A date is read against the server's own: nobody's clock but its own counts.
    """
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def shown(answer: Answer) -> dict[str, Any]:
    """Return an answer as the task's result."""
    text, encoding = _text(answer)
    return {
        "status": answer.status,
        "url": answer.url,
        "headers": dict(answer.headers),
        "body": text,
        "encoding": encoding,
        "truncated": answer.truncated,
    }


def _headers(given: dict[str, str], body: Any, attempt: Any) -> dict[str, str]:
    headers = {name.lower(): value for name, value in given.items()}
    if reserved := sorted(RESERVED & headers.keys()):
        raise Impossible(f"These headers are set by Tidewheel: {', '.join(reserved)}. Leave them out.")
    if body is not None and not isinstance(body, str):
        headers.setdefault("content-type", "application/json")
    if (traceparent := current_traceparent()) is not None:
        headers.setdefault("traceparent", traceparent)
    return {
        "user-agent": "tidewheel",
        "accept": "*/*",
        **headers,
        "accept-encoding": "identity",
        "idempotency-key": str(attempt.id),
        "x-tidewheel-attempt": str(attempt.attempt),
    }


def _content(body: Any) -> bytes | None:
    if body is None:
        return None
    return (body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))).encode("utf-8", "replace")


def _text(answer: Answer) -> tuple[str, Literal["text", "base64"]]:
    body = answer.body
    plain = answer.headers.get("content-encoding", "identity").lower() == "identity"
    for cut in range(4 if answer.truncated else 1):  # the cut may have gone through a character
        try:
            if plain and not _CONTROL.search(body):
                return body[: len(body) - cut].decode(), "text"
        except UnicodeDecodeError:
            continue
    return base64.b64encode(body).decode(), "base64"
