"""What the doctor asks the database."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements(__package__ or "")


async def clock_read(connection: AsyncConnection) -> datetime:
    """Return the database's time."""
    result = await connection.execute(_STATEMENTS.clause("clock_read"))
    now: datetime = result.one().now
    return now
