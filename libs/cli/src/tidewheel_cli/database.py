"""The database as an operator reaches it from the command line."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from tidewheel_cli.failing import Unavailable
from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.store.engine import Connection, open_engine
from tidewheel_common.store.errors import is_transient
from tidewheel_common.store.migrate import current_migration, newest_migration


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """Open a transaction on a database that has the schema of this release.

    Raises:
        Unavailable: it does not answer.
        Misconfigured: the address is none, it lets nobody in, or its schema is another.
    """
    with reachable(url):
        await require_schema(url)
        engine = open_engine(url, application_name="tidewheel-cli", pool_size=1)
        try:
            async with engine.begin() as connection:
                yield connection
        finally:
            await engine.dispose()


async def require_schema(url: str) -> None:
    """Check that a database has the schema of this release.

    Raises:
        Misconfigured: it has another, or none.
    """
    found = await current_migration(url)
    if found != newest_migration():
        state = "is empty" if found is None else f"is at migration {found}"
        raise Misconfigured(f"The database {state}, and this release needs {newest_migration()}: `tidewheel migrate`.")


@contextlib.contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what a database refuses to a stranger into sentences, without its password.

    Raises:
        Unavailable: it does not answer.
        Misconfigured: the address is none, or it lets nobody in.
    """
    try:
        place = make_url(url)
        where = f"{place.host or place.query.get('host', 'localhost')}:{place.port or 5432}"
    except (ArgumentError, ValueError):
        raise Misconfigured(
            "The database's address is none; write postgresql://user:password@host:5432/name."
        ) from None
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise Unavailable(f"PostgreSQL does not answer at {where}. Start it, or correct --database-url.") from None
        state = getattr(error, "sqlstate", None) or ""
        if state.startswith(("28", "3D")):
            raise Misconfigured(
                f"PostgreSQL at {where} lets nobody in with this name, password and database ({error}). "
                "Correct --database-url."
            ) from None
        raise
