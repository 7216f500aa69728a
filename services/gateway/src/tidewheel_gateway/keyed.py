"""Idempotency keys of calls that make something else than tasks, kept in the transaction that makes it."""

from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from tidewheel_common.store.engine import Connection
from tidewheel_gateway import queries
from tidewheel_gateway.idempotency import busy, check
from tidewheel_gateway.parts import parts_of, tenant_of
from tidewheel_gateway.records import KeyBusy, KeyTaken, KeyUse, Stored


async def keep_key(
    connection: Connection, request: Request, body: bytes, key: str, *, made: UUID, now: datetime
) -> Stored | None:
    """Keep the idempotency key for what is made; return what it stands for when it was used before."""
    fingerprints, path, tenant = parts_of(request).fingerprints, request.scope["path"], tenant_of(request)
    use = KeyUse(tenant_id=tenant, key=key, fingerprint=fingerprints.of(request.method, path, body))
    outcome = await queries.idempotency_keep(connection, use, ids=[made], accepted_at=now)
    match outcome:
        case KeyBusy():
            raise busy()
        case KeyTaken():
            stored = await queries.idempotency_find(connection, tenant, key)
            if stored is None:
                raise busy()
            return check(stored, fingerprints.match(stored.fingerprint, request.method, path, body))
        case _:
            return None
