"""Lets in whoever has a valid API key."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_gateway.problems import Problem
from tidewheel_gateway.records import KeyRecord

TTL: Final = 10.0
"""Seconds that a key which was found is taken as still valid: a revoked one works no longer than that."""

MOST_KEPT: Final = 10_000

_SCHEME = "bearer "

_NOBODY = bytes(sha256().digest_size)

Tenant = NewType("Tenant", UUID)


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
