"""The gateway's way to PostgreSQL: whether it is away, and whether its schema is the one that this release needs."""

from functools import lru_cache

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine

from tidewheel_common.store.engine import is_transient
from tidewheel_gateway import queries

_AWAY = ("08", "53", "57P")
"""Classes of SQLSTATE: connection lost, out of resources, shutting down or starting up."""


def is_away(error: BaseException) -> bool:
    """Tell whether PostgreSQL could not be asked, so that the same call may succeed later."""
    # While it connects, the driver's own errors come through as they are; its starting up is one of them.
    state = getattr(error, "sqlstate", None)
    return is_transient(error) or (isinstance(state, str) and state.startswith(_AWAY))


@lru_cache(maxsize=1)
def newest_migration() -> str | None:
    """Return the last migration of this release."""
    config = Config()
    config.set_main_option("script_location", "tidewheel_common:store/migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


async def schema_obstacle(engine: AsyncEngine) -> str | None:
    """Say why this release cannot work on the schema; None when it can."""
    async with engine.connect() as connection:
        version = await queries.schema_version(connection)
    if version == newest_migration():
        return None
    found = "is empty" if version is None else f"is at migration {version}"
    return (
        f"The database {found}, and this release needs {newest_migration()}. "
        "Run `python -m tidewheel_common.store.migrate`."
    )
