"""The statements of `queries.sql`, one typed function each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_cli.keys")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of an API key."""

    id: str
    tenant: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


async def tenant_find(connection: Connection, name: str) -> UUID | None:
    """Read a tenant by its name."""
    found: UUID | None = (await connection.execute(_STATEMENTS["tenant_find"], {"name": name})).scalar_one_or_none()
    return found


async def tenant_insert(connection: Connection, tenant_id: UUID, name: str) -> None:
    """Make a tenant unless there is one of this name."""
    await connection.execute(_STATEMENTS["tenant_insert"], {"id": tenant_id, "name": name})


async def api_key_insert(connection: Connection, key: ApiKey, *, tenant_id: UUID, name: str) -> None:
    """Keep a new API key."""
    parameters = {"id": key.id, "tenant_id": tenant_id, "name": name, "secret_hash": key.secret_hash}
    await connection.execute(_STATEMENTS["api_key_insert"], parameters)


async def api_keys_list(connection: Connection) -> list[KeyRow]:
    """Read every API key with its tenant, the oldest first."""
    rows = await connection.execute(_STATEMENTS["api_keys_list"])
    return [KeyRow(**row) for row in rows]


async def api_key_revoke(connection: Connection, key_id: str) -> datetime | None:
    """Revoke an API key, and return since when it is revoked; None when there is no such key."""
    found: datetime | None = (
        await connection.execute(_STATEMENTS["api_key_revoke"], {"id": key_id})
    ).scalar_one_or_none()
    return found
