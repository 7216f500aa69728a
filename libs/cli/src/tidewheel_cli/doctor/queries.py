"""What the doctor asks the database."""

from dataclasses import dataclass
from datetime import datetime

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_cli.doctor")


@dataclass(frozen=True, slots=True)
class Server:
    """A database's time, and its major release."""

    now: datetime
    release: int


async def server_read(connection: Connection) -> Server:
    """Return what a database says of itself."""
    row = (await connection.execute(_STATEMENTS["server_read"])).one()
    return Server(row["now"], row["release"])
