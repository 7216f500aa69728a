"""API keys: `tw_<id>_<secret>`. Only the SHA-256 of the secret is stored; it has 256 random bits, so that is enough."""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from tidewheel_gateway.problems import Problem
from tidewheel_gateway.records import KeyRecord

TTL: Final = 10.0
"""Seconds that a key which was found is taken as still valid: a revoked one works no longer than that."""

MOST_KEPT: Final = 10_000

_KEY = re.compile(r"tw_(?P<id>[A-Za-z0-9]{1,64})_(?P<secret>[A-Za-z0-9_-]{16,128})")

_SCHEME = "bearer "

_NOBODY = bytes(sha256().digest_size)

Tenant = NewType("Tenant", UUID)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApiKey:
    """A key in its two parts; never printed."""

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> "ApiKey | None":
        """Read a key; None when it is not of the form `tw_<id>_<secret>`."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(id=found["id"], secret=found["secret"])

    @classmethod
    def make(cls) -> "ApiKey":
        """Make a new key."""
        return cls(id=secrets.token_hex(8), secret=secrets.token_urlsafe(32))

    @property
    def text(self) -> str:
        """The whole key, to be shown once."""
        return f"tw_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """What is stored of the secret."""
        return sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    record: KeyRecord
    until: float


class Authenticator:
    """Finds the tenant that an API key belongs to, and remembers it for a few seconds.

    Args:
        find: reads a key that is not revoked, by its public part.
        monotonic: seconds that never jump.
    """

    def __init__(self, find: Callable[[str], Awaitable[KeyRecord | None]], *, monotonic: Callable[[], float]) -> None:
        self._find = find
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}

    async def tenant(self, authorization: str) -> Tenant | None:
        """Return whose key an `Authorization` header holds; None when it holds no valid one."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        key = ApiKey.parse(authorization[len(_SCHEME) :].strip())
        if key is None:
            return None
        record = await self._record(key.id)
        # The same work whether the id is known or not.
        same = hmac.compare_digest(_NOBODY if record is None else record.secret_hash, key.secret_hash)
        return Tenant(record.tenant_id) if record is not None and same else None

    async def _record(self, key_id: str) -> KeyRecord | None:
        now = self._monotonic()
        known = self._known.get(key_id)
        if known is not None and known.until > now:
            return known.record
        record = await self._find(key_id)
        if record is None:
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[key_id] = _Known(record, now + TTL)
        return record


class Guard:
    """ASGI middleware: whatever lies under `/v1` is only reached with a valid key, and knows its tenant."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or refuse it."""
        if scope["type"] == "http" and _guarded(scope["path"]):
            tenant = await self._authenticator.tenant(_authorization(scope))
            if tenant is None:
                raise unauthorized()
            scope["state"]["tenant"] = tenant
        await self._app(scope, receive, send)


def unauthorized() -> Problem:
    """Refuse a call without a valid key; the same words whatever is wrong with it."""
    return Problem(
        "unauthorized",
        "Send a valid API key: `Authorization: Bearer tw_…`.",
        headers={"WWW-Authenticate": 'Bearer realm="tidewheel"'},
    )


def _guarded(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def _authorization(scope: Scope) -> str:
    values: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else ""
