"""Ending tasks that others depend on: a parent's end and what follows for its dependants are one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidewheel_common.store.engine import Engine
from tidewheel_common.store.rows import Row
from tidewheel_executor import queries
from tidewheel_executor.queries import Completion, Endings, Settled

NOBODY = Settled(ready=0, cancelled=())


@dataclass(frozen=True, slots=True)
class Written:
    """What one try to record endings came to: the rows that were held, and what became of their dependants."""

    rows: Sequence[Row]
    settled: Settled = NOBODY


async def complete_plainly(engine: Engine, completions: Sequence[Completion]) -> Sequence[Row]:
    """Record completions that nobody depends on, in one statement, and return their tasks."""
    async with engine.connect() as connection:
        return await queries.tasks_complete(connection, completions)


async def finish_plainly(engine: Engine, endings: Endings) -> Written:
    """Record endings in one statement; what others depend on comes back untouched, marked `awaited`."""
    async with engine.connect() as connection:
        return Written(await queries.tasks_finish(connection, endings, hold_awaited=True))


async def finish_with_dependants(engine: Engine, endings: Endings) -> Written:
    """Record endings and tell the dependants, in one transaction.

    The second statement sees every dependant: whoever submits one locks its parents first, so it has either committed
    before this transaction held them, or finds them ended.
    """
    async with engine.begin() as connection:
        rows = await queries.tasks_finish(connection, endings)
        ids = sorted(row.id for row in rows if not row.cancelled)
        return Written(rows, await queries.dependants_settle(connection, ids))
