"""Whether PostgreSQL's schema is the one that this release needs."""

from tidewheel_common.store.engine import Engine
from tidewheel_common.store.migrate import newest_migration
from tidewheel_gateway import queries


async def schema_obstacle(engine: Engine) -> str | None:
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
