"""Bare HTTP/1.1 for clients that want far too much: what a request costs them must not slow them down."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; a status of 0 means that nothing was, and the content says why."""

    status: int
    retry_after: bool = False
    content: Any = None


def request(url: str, path: str, api_key: str, body: object) -> bytes:
    """Return the bytes of a POST on a connection of its own."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def ask(url: str, asked: bytes, *, patience: float) -> Answer:
    """Send a request and return what was answered within so many seconds."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(asked)
                return _parse(await reader.read())
            finally:
                writer.close()
    except (OSError, ValueError) as error:
        return Answer(0, content=type(error).__name__)


def _parse(answer: bytes) -> Answer:
    head, _, content = answer.partition(b"\r\n\r\n")
    return Answer(int(head[9:12]), b"\r\nretry-after:" in head.lower(), json.loads(content))
