"""What `tidewheel keys` does in the database. Of each: `database.opened` says what may keep it from being reached."""

from datetime import datetime

from tidewheel_cli.database import opened
from tidewheel_cli.failing import NotFoundHere
from tidewheel_cli.keys import queries
from tidewheel_cli.keys.queries import KeyRow
from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.store.ids import uuid7


async def create_key(url: str, key: ApiKey, name: str, *, tenant: str, new_tenant: bool) -> None:
    """Keep a new key of a tenant.

    Raises:
        NotFoundHere: there is no such tenant, and none was to be made.
    """
    async with opened(url) as connection:
        if new_tenant:
            await queries.tenant_insert(connection, uuid7(), tenant)
        tenant_id = await queries.tenant_find(connection, tenant)
        if tenant_id is None:
            raise NotFoundHere(f"There is no tenant {tenant!r}; --new-tenant makes it.")
        await queries.api_key_insert(connection, key, tenant_id=tenant_id, name=name)


async def all_keys(url: str) -> list[KeyRow]:
    """Read every key."""
    async with opened(url) as connection:
        return await queries.api_keys_list(connection)


async def revoke_key(url: str, key_id: str) -> datetime:
    """Revoke a key and return since when it is.

    Raises:
        NotFoundHere: there is no such key.
    """
    async with opened(url) as connection:
        since = await queries.api_key_revoke(connection, key_id)
    if since is None:
        raise NotFoundHere(f"There is no key {key_id!r}. Give its id, the part between tw_ and the secret.")
    return since
