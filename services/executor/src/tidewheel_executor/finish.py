"""Finishing: what became of a batch's tasks, sealed, recorded in one statement, and told to those who wait for it.

Most attempts complete tasks that nobody depends on; they have a statement of their own. All others go the long way, and
so does what that statement did not take.
"""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

import structlog

from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.outcome import Completed, Failed, Refused
from tidewheel_common.crypto.sealed import Sealer, Subject
from tidewheel_common.process.failpoints import fp
from tidewheel_common.store.engine import Engine
from tidewheel_common.store.errors import StoreError, is_transient, sqlstate
from tidewheel_common.store.rows import Row
from tidewheel_executor import queries
from tidewheel_executor.claim import Claimed
from tidewheel_executor.dependants import NOBODY, complete_plainly, finish_plainly, finish_with_dependants
from tidewheel_executor.figures import Figures
from tidewheel_executor.judge import Ended
from tidewheel_executor.patience import Patience
from tidewheel_executor.watch import drain

FLUSH_AFTER = 1.0
"""Seconds that a finished task waits for its neighbours before it is recorded without them."""

PIECE_BYTES = 8 * 1024 * 1024
"""Results that one statement records."""

MARGIN = 5.0
"""Seconds after the end of a lease until which it is still worth recording; the fence makes it safe."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_level = logging.getLogger(__name__)

Tell = Callable[[Sequence[Ended], queries.Settled], Awaitable[None]]

LaidOut = TypeVar("LaidOut")

Answer = TypeVar("Answer")


class Recorder:
    """Collects how attempts ended and records it.

    Args:
        engine: the database.
        sealer: seals results and errors.
        figures: counts.
        tell: called with what was recorded, after the commit.
        settle: called before anything is recorded: what the attempts have said is readable once they have ended.
        hot: the same database with plans that are kept; records what nobody depends on. Without it completions go
            the long way, too.

    Attributes:
        unrecorded: what is not recorded yet; another thread may take from it.
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        *,
        figures: Figures,
        tell: Tell,
        settle: Callable[[], Awaitable[None]],
        hot: Engine | None = None,
    ) -> None:
        self._engine = engine
        self._hot = hot
        self._sealer = sealer
        self._figures = figures
        self._tell = tell
        self._settle = settle
        self.unrecorded: deque[Ended] = deque()
        self._settled = NOBODY
        self._since = 0.0

    def add(self, ended: Ended) -> None:
        """Take charge of an ending."""
        if not self.unrecorded:
            self._since = time.monotonic()
        self.unrecorded.append(ended)

    def is_due(self) -> bool:
        """Tell whether something has waited long enough."""
        return bool(self.unrecorded) and time.monotonic() - self._since >= FLUSH_AFTER

    async def flush(self) -> None:
        """Record everything.

        Raises:
            asyncpg.PostgresError, OSError: PostgreSQL stayed away until the leases were over; the tasks will run again.
        """
        endings = list(drain(self.unrecorded))
        await self._settle()
        for piece in _pieces(endings):
            await self._record(piece)

    async def _record(self, endings: Sequence[Ended]) -> None:
        fp("executor.ran")
        patience = Patience(max(ended.claimed.lease_ends for ended in endings) + MARGIN)
        completed = await self._complete(endings, patience)
        recorded, fenced = endings, 0
        if len(completed) < len(endings):
            rest = [ended for ended in endings if ended.claimed.task_id not in completed]
            finished, fenced = await self._record_rest(rest, patience)
            recorded = [*(ended for ended in endings if ended.claimed.task_id in completed), *finished]
        fp("executor.finished")
        await self._report(recorded, fenced=fenced)

    async def _complete(self, endings: Sequence[Ended], patience: Patience) -> set[UUID]:
        """Record the completions that nobody depends on, and return their tasks."""
        if self._hot is None or not (completions := _completions(endings, self._sealer)):
            return set()
        try:
            rows = await _write(complete_plainly, self._hot, completions, patience)
        except StoreError as error:
            if is_transient(error):
                raise
            return set()  # one of them is bad; which one is found out with the rest
        return {task_id for (task_id,) in rows}

    async def _record_rest(self, endings: Sequence[Ended], patience: Patience) -> tuple[Sequence[Ended], int]:
        """Record the other endings; return those that are recorded, and count those that were fenced."""
        try:
            recorded = await self._finish(endings, patience)
        except StoreError as error:
            if is_transient(error):
                raise
            if len(endings) == 1:
                task_id = str(endings[0].claimed.task_id)
                log.error("ending cannot be recorded; its lease will end", task_id=task_id, sqlstate=sqlstate(error))  # noqa: TRY400 -- the traceback is ours
                return (), 0
            # One bad row must not take its neighbours along.
            log.warning("finish refused, going one by one", tasks=len(endings), error_type=type(error).__name__)
            singly = [await self._record_rest([ended], patience) for ended in endings]
            return [ended for recorded, _ in singly for ended in recorded], sum(fenced for _, fenced in singly)
        return recorded, len(endings) - len(recorded)

    async def _report(self, recorded: Sequence[Ended], *, fenced: int) -> None:
        self._figures.finished(recorded, fenced=fenced)
        settled, self._settled = self._settled, NOBODY
        await self._tell(recorded, settled)
        _log_each(recorded)

    async def _finish(self, endings: Sequence[Ended], patience: Patience) -> Sequence[Ended]:
        """Record endings and return those that were still this executor's to record."""
        plainly = self._hot or self._engine
        rows = (await _write(finish_plainly, plainly, _columns(endings, self._sealer), patience)).rows
        if len(rows) == len(endings) and not any(cancelled or awaited for _, cancelled, awaited in rows):
            return endings
        held = await self._with_dependants(endings, rows, patience)
        cancelled = [ended.cancelled() for ended in endings if held.get(ended.claimed.task_id)]
        if cancelled:
            rows = (await _write(finish_plainly, plainly, _columns(cancelled, self._sealer), patience)).rows
            held.update(await self._with_dependants(cancelled, rows, patience))
        decided = {ended.claimed.task_id: ended for ended in [*endings, *cancelled]}
        # After a try whose answer was lost, what is not held any more was most likely recorded by that very try.
        missing = None if not patience.tried else False
        fenced = [str(task_id) for task_id in decided if held.get(task_id, missing) is not False]
        if fenced:
            log.warning("attempts were fenced: their tasks went on without them", task_ids=fenced)
        return [ended for task_id, ended in decided.items() if held.get(task_id, missing) is False]

    async def _with_dependants(
        self, endings: Sequence[Ended], rows: Sequence[Row], patience: Patience
    ) -> dict[Any, bool]:
        """Record what others depend on, too; say of each ending that was held whether it must be decided anew."""
        held = {task_id: cancelled for task_id, cancelled, awaited in rows if not awaited}
        if len(held) < len(rows):
            awaited = {task_id for task_id, _, awaited in rows if awaited}
            rest = _columns([ended for ended in endings if ended.claimed.task_id in awaited], self._sealer)
            written = await _write(finish_with_dependants, self._engine, rest, patience)
            self._settled += written.settled
            held.update((row.id, row.cancelled) for row in written.rows)
        return held


async def _write(
    write: Callable[[Engine, LaidOut], Awaitable[Answer]], engine: Engine, laid_out: LaidOut, patience: Patience
) -> Answer:
    while True:
        try:
            return await write(engine, laid_out)
        except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
            await patience.endure(error)


def _completions(endings: Sequence[Ended], sealer: Sealer) -> list[queries.Completion]:
    """Lay those that completed their tasks out as their statement takes them; results are sealed on the way."""
    return [
        (task.task_id, task.attempt, None if outcome.result is None else _seal(sealer, task, outcome.result, "result"))
        for task, _, outcome, _, _ in endings
        if isinstance(outcome, Completed)
    ]


def _columns(endings: Sequence[Ended], sealer: Sealer) -> queries.Endings:
    """Lay endings out as the statement takes them; results and errors are sealed on the way."""
    columns = queries.Endings()
    for ended in endings:
        task, outcome = ended.claimed, ended.outcome
        match outcome:
            case Completed(result=bytes() as text):
                columns.add(task.task_id, task.attempt, ended.transition, result=_seal(sealer, task, text, "result"))
            case Failed() | Refused():
                error = _seal(sealer, task, outcome.error.encode("utf-8", "backslashreplace"), "error")
                columns.add(task.task_id, task.attempt, ended.transition, error=error, error_type=outcome.error_type)
            case _:
                columns.add(task.task_id, task.attempt, ended.transition)
    return columns


def _seal(sealer: Sealer, task: Claimed, data: bytes, field: str) -> bytes:
    return sealer.seal(data, tenant=task.tenant_id, subject=Subject.task(task.task_id), field=field)


def _pieces(endings: Sequence[Ended]) -> Iterator[list[Ended]]:
    piece: list[Ended] = []
    size = 0
    for ended in endings:
        outcome = ended.outcome
        length = len(outcome.result or b"") if isinstance(outcome, Completed) else 0
        if piece and size + length > PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(ended)
        size += length
    if piece:
        yield piece


def _log_each(recorded: Sequence[Ended]) -> None:
    """Write a line for each task that did not simply complete; for the others too when debugging."""
    detailed = _level.isEnabledFor(logging.DEBUG)
    for ended in recorded:
        state = ended.transition.state
        if state is not State.COMPLETE or detailed:
            level = logging.DEBUG if state is State.COMPLETE else logging.INFO
            task = ended.claimed
            log.log(
                level,
                "attempt ended",
                task_id=str(task.task_id),
                handler=task.handler,
                attempt=task.attempt,
                state=state.value,
                reason=ended.transition.reason,
                error_type=getattr(ended.outcome, "error_type", None),
                seconds=round(ended.seconds, 6),
            )
