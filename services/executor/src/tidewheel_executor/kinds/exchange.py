"""One HTTP exchange: a request, the redirects that it may follow, and an answer of bounded size."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import httpcore2
from httpx2 import URL, InvalidURL

from tidewheel_executor.kinds.dial import Dialler
from tidewheel_executor.kinds.kind import Failure, Impossible

_REDIRECTS = (301, 302, 303, 307, 308)
_KEEP_METHOD = (307, 308)

_PORTABLE = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "user-agent", "idempotency-key", "traceparent"}
)
"""Headers that may follow a redirect to another origin; any other one may be a secret for the first."""

_ANSWER_HEADERS = 100
_HEADER_LENGTH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is sent. Header names are in lower case; `redirects` is how many may be followed."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None = None
    redirects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; of a long body only the beginning."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


def read_url(text: str) -> URL:
    """Read the address of a call.

    Raises:
        Impossible: it is none that a task may call.
    """
    try:
        return _sound(URL(text))
    except (InvalidURL, ValueError):
        raise Impossible("The URL cannot be read.") from None


def _sound(url: URL) -> URL:
    if url.scheme not in ("http", "https"):
        raise Impossible("Only http and https URLs can be called.")
    if not url.host:
        raise Impossible("The URL has no host.")
    if url.userinfo:
        raise Impossible("The URL has a name or password in it; send an Authorization header instead.")
    return url


async def exchange(call: Call, dialler: Dialler, *, most: int, tls: ssl.SSLContext | None = None) -> Answer:
    """Send a call and return the answer.

    Args:
        call: what to send.
        dialler: opens the connections.
        most: bytes of the body that are kept.
        tls: whom to trust; the usual authorities when it is left out.

    Raises:
        Impossible: something on the way may not be reached.
        Failure: no answer came.
    """
    async with httpcore2.AsyncConnectionPool(
        ssl_context=tls or _tls(), network_backend=dialler, max_keepalive_connections=0
    ) as pool:
        return await _exchange(pool, call, most)


async def _exchange(pool: httpcore2.AsyncConnectionPool, call: Call, most: int) -> Answer:
    async with _sent(pool, call) as response:
        location = _location(response)
        if location is None or call.redirects == 0:
            return await _read(call.url, response, most)
        moved = _redirected(call, response.status, location)
    return await _exchange(pool, moved, most)


@asynccontextmanager
async def _sent(pool: httpcore2.AsyncConnectionPool, call: Call) -> AsyncIterator[httpcore2.Response]:
    url = httpcore2.URL(
        scheme=call.url.raw_scheme, host=call.url.raw_host, port=call.url.port, target=call.url.raw_path
    )
    headers = [("host", call.url.netloc.decode("ascii")), *call.headers.items()]
    try:
        async with pool.stream(call.method, url, headers=headers, content=call.body) as response:
            yield response
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, ssl.SSLError) as error:
        text = str(error) or type(error).__name__
        raise Failure(f"{call.url.host} did not answer: {text}") from error


async def _read(url: URL, response: httpcore2.Response, most: int) -> Answer:
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > most:
            break
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")[:_HEADER_LENGTH]
        for name, value in response.headers[:_ANSWER_HEADERS]
    }
    return Answer(
        status=response.status,
        url=str(url),
        headers=headers,
        body=bytes(body[:most]),
        truncated=len(body) > most,
    )


def _location(response: httpcore2.Response) -> str | None:
    if response.status not in _REDIRECTS:
        return None
    found = [value for name, value in response.headers if name.lower() == b"location"]
    return found[0].decode("latin-1") if found else None


def _redirected(call: Call, status: int, location: str) -> Call:
    try:
        url = _sound(call.url.join(location).copy_with(fragment=None))
    except (InvalidURL, ValueError):
        raise Impossible("The server redirects to an address that cannot be read.") from None
    if call.url.scheme == "https" and url.scheme == "http":
        raise Impossible(f"The server redirects from https to http://{url.host}; what was sent would be readable.")
    headers = dict(call.headers)
    if _origin(url) != _origin(call.url):
        headers = {name: value for name, value in headers.items() if name in _PORTABLE}
    moved = replace(call, url=url, headers=headers, redirects=call.redirects - 1)
    if status in _KEEP_METHOD or call.method in ("GET", "HEAD"):
        return moved
    headers.pop("content-type", None)
    return replace(moved, method="GET", body=None)


def _origin(url: URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    # To read the certificates takes longer than a short exchange.
    return httpcore2.default_ssl_context()
