"""Reads request bodies: bounded before anything is parsed, and as strict JSON."""

import re
from typing import Any, Final

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from tidewheel_gateway.problems import Problem

LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes; a batch of 1,000 tasks with 10 KiB each fits."""

_JSON = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)

_ESCAPED_NUL = b"\\u0000"


async def read_json(request: Request) -> tuple[bytes, Any]:
    """Read a body and parse it.

    Returns:
        The body as it came, and the document in it.

    Raises:
        Problem: it is of another type, too large, cut short or not JSON.
    """
    body = await read_body(request)
    return body, parse(body)


async def read_body(request: Request) -> bytes:
    """Read a body, as far as it is allowed to be long.

    Raises:
        Problem: it is of another type, too large or cut short.
    """
    headers = request.headers
    if _JSON.fullmatch(headers.get("content-type", "")) is None:
        raise Problem("unsupported_media_type", "Send JSON in UTF-8, with `Content-Type: application/json`.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", "Send the body as it is; compressed bodies are not read.")
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY):
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_BODY:
                raise _too_large()
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem("incomplete_body", "The connection ended before the body did.") from None
    return b"".join(chunks)


def parse(body: bytes) -> Any:
    """Parse strict JSON: no NaN, no lone surrogates, no endless numbers, nothing nested deeper than 200 levels.

    Raises:
        Problem: it is none. The reason names a place, never what stands there.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem("invalid_json", f"The body is not JSON that we read: {error}.") from None


def may_hold_nul(body: bytes) -> bool:
    """Tell whether a body may have a NUL character in one of its texts; only an escape can bring one in."""
    return _ESCAPED_NUL in body


def _too_large() -> Problem:
    # Closing the connection is what keeps the server from reading on.
    return Problem(
        "body_too_large",
        f"The body has more than {LARGEST_BODY} bytes. Send smaller batches.",
        headers={"Connection": "close"},
    )
