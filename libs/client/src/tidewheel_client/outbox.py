"""Submit with the caller's own SQLAlchemy transaction, where Tidewheel has another database.

`pip install tidewheel-client[outbox]`

    outbox = Outbox(Base.metadata)                      # a table of yours: migrate it like the others

    async with AsyncSession(engine) as session, session.begin():
        session.add(order)
        await outbox.add(session, "orders.confirm", {"order": order.id})    # Session: without await

    await Relay(outbox, async_sessionmaker(engine), AsyncClient()).run()    # in any number of processes

The transaction writes a row; a relay submits it, with the row's id as its idempotency key, and deletes the row. A relay
that dies between the two submits it again, and the gateway answers with the task that is there (keys are kept 48 h).
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Unpack, overload
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Insert,
    MetaData,
    Row,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from tidewheel_client.async_client import AsyncClient
from tidewheel_client.errors import ApiError, ClientError
from tidewheel_client.operations.tasks import submit_task
from tidewheel_client.options import TaskOptions
from tidewheel_client.tracing import current_traceparent, incoming
from tidewheel_client.values import Payload

_REFUSED: Final = frozenset({400, 413, 422})
"""Statuses that are the row's own fault; after any other it is tried again."""

log = logging.getLogger(__name__)


class Outbox:
    """A table of submissions that are still to be made.

    Args:
        metadata: of the caller's tables.
        name: of the table.
        schema: of the table.

    Attributes:
        table: rows with `refused_at` were refused by the gateway; `error` says why, and they wait for a person.
    """

    def __init__(self, metadata: MetaData, *, name: str = "tidewheel_outbox", schema: str | None = None) -> None:
        self.table = Table(
            name,
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("task", JSON, nullable=False),
            Column("traceparent", Text),
            Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
            Column("refused_at", DateTime(timezone=True)),
            Column("error", Text),
            schema=schema,
        )

    @overload
    def add(self, session: Session, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]) -> UUID: ...

    @overload
    def add(
        self, session: AsyncSession, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]
    ) -> Coroutine[Any, Any, UUID]: ...

    def add(
        self, session: Session | AsyncSession, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]
    ) -> UUID | Coroutine[Any, Any, UUID]:
        """Submit a task once the session's transaction has committed; return the row's id, or a coroutine that does.

        Args:
            session: nothing is committed here.
            handler: the name of the Celery task that runs it.
            payload: its keyword arguments; they stand in the row as they are.
            options: as for `Client.submit`; a `delay` counts from this transaction.
        """
        row_id = uuid4()
        body = submit_task(handler, payload, **options).body
        statement = insert(self.table).values(id=row_id, task=body, traceparent=current_traceparent())
        if isinstance(session, AsyncSession):
            return _add(session, statement, row_id)
        session.execute(statement)
        return row_id


async def _add(session: AsyncSession, statement: Insert, row_id: UUID) -> UUID:
    await session.execute(statement)
    return row_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    id: UUID
    error: str


class Relay:
    """Submits what stands in an outbox. Any number may run, in any processes: they share the rows.

    Args:
        outbox: where the rows are.
        sessions: makes sessions on the caller's database.
        client: of the gateway.
        batch: rows that one step takes, and holds until they are submitted.
        at_once: submissions in flight.
    """

    def __init__(
        self,
        outbox: Outbox,
        sessions: async_sessionmaker[AsyncSession],
        client: AsyncClient,
        *,
        batch: int = 100,
        at_once: int = 10,
    ) -> None:
        self._table = outbox.table
        self._sessions = sessions
        self._client = client
        self._batch = batch
        self._slots = asyncio.Semaphore(at_once)

    async def run(self, stop: asyncio.Event | None = None, *, every: float = 1.0) -> None:
        """Submit until told to stop, or until cancelled; look again after `every` seconds when there was nothing.

        A gateway that is away is waited for, and a warning logged; an error of the caller's own database ends the run.
        """
        stop = stop or asyncio.Event()
        while not stop.is_set():
            try:
                more = await self.tick()
            except ClientError as error:
                log.warning("The outbox waits: %s", error)
                more = False
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), every)

    async def tick(self) -> bool:
        """Submit one batch; tell whether there may be more.

        Raises:
            ClientError: the gateway is away; what was accepted is marked all the same.
        """
        table = self._table
        async with self._sessions() as session, session.begin():
            waiting = select(table).where(table.c.refused_at.is_(None)).order_by(table.c.created_at)
            rows = (await session.execute(waiting.limit(self._batch).with_for_update(skip_locked=True))).all()
            outcomes = await asyncio.gather(*(self._submit(row) for row in rows), return_exceptions=True)
            await self._mark(session, outcomes)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(rows) == self._batch

    async def _submit(self, row: Row[Any]) -> UUID | _Refused:
        async with self._slots:
            token = incoming.set(row.traceparent)
            try:
                await self._client.submit(**_arguments(row.task, row.created_at), idempotency_key=str(row.id))
            except ApiError as error:
                # It was accepted before; another version of this client has written the body otherwise.
                if error.code != "idempotency_key_reused":
                    if error.status not in _REFUSED:
                        raise
                    return _Refused(id=row.id, error=str(error))
            finally:
                incoming.reset(token)
        return UUID(str(row.id))

    async def _mark(self, session: AsyncSession, outcomes: Sequence[UUID | _Refused | BaseException]) -> None:
        table = self._table
        accepted = [outcome for outcome in outcomes if isinstance(outcome, UUID)]
        if accepted:
            await session.execute(delete(table).where(table.c.id.in_(accepted)))
        for outcome in outcomes:
            if isinstance(outcome, _Refused):
                marked = update(table).where(table.c.id == outcome.id)
                await session.execute(marked.values(refused_at=func.now(), error=outcome.error))


def _arguments(task: Mapping[str, Any], created_at: datetime) -> dict[str, Any]:
    """Return the arguments of a submission; they are the same however often the row is read."""
    if task.get("delay") is None:
        return dict(task)
    due = created_at + timedelta(seconds=task["delay"])
    return {**{name: value for name, value in task.items() if name != "delay"}, "run_at": due}
