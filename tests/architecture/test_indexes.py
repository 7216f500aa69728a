"""No index of `tasks` mentions what a claim changes, so a claim stays a heap-only-tuple update (ADR 1)."""

import re

from tests.support import text

from tidewheel_common.store.engine import Connection, Engine

CLAIM_CHANGES = {"state", "attempt", "executor_id", "started_at", "lease_until"}


async def mentions(connection: Connection) -> dict[str, set[str]]:
    """Return for each index of `tasks` the columns that a claim changes and that it mentions, in its `WHERE` too."""
    rows = await connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks'"))
    found = {row.indexname: CLAIM_CHANGES & set(re.findall(r"\w+", row.indexdef)) for row in rows}
    return {name: columns for name, columns in found.items() if columns}


async def test_no_index_mentions_what_a_claim_changes(engine: Engine) -> None:
    async with engine.connect() as connection:
        assert await mentions(connection) == {}


async def test_the_check_would_notice(engine: Engine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("CREATE INDEX wrong ON tasks (queue) WHERE state = 'ready'"))

        assert await mentions(connection) == {"wrong": {"state"}}
