"""The roles of deploy/postgres/roles.sql, made as on RDS: by an owner of the database who is no superuser."""

import secrets
from urllib.parse import SplitResult, urlsplit

import asyncpg
from tests.deploy.charts import ROOT

SCRIPT = ROOT / "deploy" / "postgres" / "roles.sql"


async def made_roles(database: str) -> dict[str, str]:
    """Make the roles for one database, under names of its own, as roles belong to a whole server.

    Args:
        database: the address of a database for a superuser.

    Returns:
        `schema` and `services` -> name and password, as an address has them.
    """
    link, suffix = urlsplit(database), secrets.token_hex(4)
    owner, password = f"owner_{suffix}", secrets.token_hex(16)
    await _execute(
        link,
        f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}'; ALTER DATABASE {link.path[1:]} OWNER TO {owner}",
    )
    script, made = SCRIPT.read_text(encoding="utf-8"), {}
    for role in ("schema", "services"):
        own = secrets.token_hex(16)
        script = script.replace(f":'{role}_password'", f"'{own}'").replace(f"tidewheel_{role}", f"{role}_{suffix}")
        made[role] = f"{role}_{suffix}:{own}"
    await _execute(link._replace(netloc=f"{owner}:{password}@{link.hostname}:{link.port}"), script)
    return made


async def _execute(link: SplitResult, statements: str) -> None:
    connection = await asyncpg.connect(link.geturl())
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
