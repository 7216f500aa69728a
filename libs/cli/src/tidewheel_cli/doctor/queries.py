"""What the doctor asks the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_cli.doctor")


@dataclass(frozen=True, slots=True)
class Server:
    """A database's time, and its major release."""

    now: datetime
    release: int


async def server_read(connection: AsyncConnection) -> Server:
    """Return what a database says of itself."""
    row = (await connection.execute(_STATEMENTS.clause("server_read"))).one()
    return Server(row.now, row.release)
