"""A model that drives the real statements of all five services against a real PostgreSQL, in any order.

It loses, doubles and reorders hints, lets executors die, and finishes attempts that were given up long ago. After each
step it compares every row with how it was: only edges of the lifecycle may have been taken, by their owner.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidewheel_common.core.decide import Standing, decide
from tidewheel_common.core.lifecycle import FINAL, Owner, State, edges_of
from tidewheel_common.core.outcome import Completed, Failed, Lost, Outcome, Refused
from tidewheel_common.core.task import Delivery, Priority, Retry
from tidewheel_common.store import tables
from tidewheel_common.store.engine import open_engine
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher import queries as dispatcher
from tidewheel_executor import queries as executor
from tidewheel_gateway import queries as gateway
from tidewheel_gateway.records import Submission, TaskRow
from tidewheel_reaper import queries as reaper
from tidewheel_scheduler import queries as scheduler
from tidewheel_scheduler.rescue import judge

TENANT = UUID(int=1)
START = datetime(2027, 1, 1, tzinfo=UTC)
STALE = 15.0
LINE = Line("default", Priority.MEDIUM)

OUTCOMES: tuple[Outcome, ...] = (Completed(b"1"), Failed("no", "Error"), Refused("never", "Error"), Lost())


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that some executor believes to hold."""

    task_id: UUID
    number: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Row:
    """What the model watches of a task."""

    state: State
    attempt: int
    remove_at: datetime | None


@dataclass(slots=True)
class World:
    """One database, and everything that has been seen of it."""

    engine: AsyncEngine
    loop: asyncio.AbstractEventLoop
    now: datetime = START
    rows: dict[UUID, Row] = field(default_factory=dict)

    def run(self, act: Callable[[AsyncConnection], Coroutine[Any, Any, Any]]) -> Any:
        """Run statements in a transaction of their own."""

        async def enclosed() -> Any:
            async with self.engine.begin() as connection:
                return await act(connection)

        return self.loop.run_until_complete(enclosed())

    def look(self) -> dict[UUID, Row]:
        """Read all tasks."""
        columns = (tables.tasks.c.id, tables.tasks.c.state, tables.tasks.c.attempt, tables.tasks.c.remove_at)

        async def read(connection: AsyncConnection) -> dict[UUID, Row]:
            found = await connection.execute(select(*columns))
            return {row.id: Row(State(row.state), row.attempt, row.remove_at) for row in found}

        rows: dict[UUID, Row] = self.run(read)
        return rows

    def check(self, owner: Owner) -> None:
        """Hold every row against how it was before the last step, which this owner took."""
        rows, allowed = self.look(), edges_of(owner)
        for task_id in self.rows.keys() | rows.keys():
            before, after = self.rows.get(task_id), rows.get(task_id)
            edge = (before and before.state, after and after.state)
            if edge[0] is not edge[1]:
                assert edge in allowed, f"{owner} took {task_id} from {edge[0]} to {edge[1]}"
            if before is not None:
                self._check_pair(before, after, owner)
        self.rows = rows

    def _check_pair(self, before: Row, after: Row | None, owner: Owner) -> None:
        if after is None:
            assert before.state in FINAL
            assert before.remove_at is not None
            assert before.remove_at <= self.now
            return
        claimed = (before.state, after.state) == (State.QUEUED, State.RUNNING)
        assert after.attempt == before.attempt + claimed, f"{owner} changed the fence outside a claim"


class Lifecycle(RuleBasedStateMachine):
    """The rules: what each service may do at any moment."""

    url: str

    tasks = Bundle("tasks")
    hints = Bundle("hints")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self._ids = 1000
        self.world = World(open_engine(self.url, application_name="model", pool_size=1), asyncio.new_event_loop())
        self.world.run(lambda connection: connection.execute(tables.tasks.delete()))
        self.world.run(lambda connection: connection.execute(tables.attempts.delete()))

    def _new_id(self) -> UUID:
        # Not random: the order of ids decides which task is dispatched first, and a failing run must replay.
        self._ids += 1
        return UUID(int=self._ids)

    def teardown(self) -> None:
        self._take_back()
        self._end()
        self.world.loop.run_until_complete(self.world.engine.dispose())
        self.world.loop.close()

    @initialize(target=hints)
    def some_tasks_are_queued(self) -> Any:
        for most in (1, 2, 3):
            self.submit(0, None, most, Delivery.AT_LEAST_ONCE, 50.0)
        return self.dispatch(3)

    @rule(
        target=tasks,
        delay=st.sampled_from([0, 5, 60]),
        expires=st.sampled_from([None, 30, 120]),
        most=st.integers(1, 3),
        delivery=st.sampled_from(list(Delivery)),
        kept=st.sampled_from([0.0, 50.0]),
    )
    def submit(self, delay: int, expires: int | None, most: int, delivery: Delivery, kept: float) -> UUID:
        row = TaskRow(
            id=self._new_id(), tenant_id=TENANT, handler="h", queue=LINE.queue, priority=LINE.priority,
            payload=b"sealed", max_attempts=most, timeout=20.0, backoff=None, removal_delay=kept, delivery=delivery,
            tags="", traceparent=None, run_at=None, delay=timedelta(seconds=delay),
            expires_at=self.world.now + timedelta(seconds=expires) if expires else None,
        )  # fmt: skip
        self._step(Owner.GATEWAY, lambda c: gateway.tasks_accept(c, [Submission(rows=(row,))], now=self.world.now))
        return row.id

    @rule(seconds=st.sampled_from([1, 10, 60]), sweep=st.sampled_from(["none", "promote", "expire", "rescue", "reap"]))
    def time_passes(self, seconds: int, sweep: str) -> None:
        self.world.now += timedelta(seconds=seconds)
        {"none": lambda: None, "promote": self._promote, "expire": self._expire, "rescue": self._rescue}.get(
            sweep, self._reap
        )()

    def _promote(self) -> None:
        self._step(Owner.SCHEDULER, lambda c: scheduler.tasks_promote(c, now=self.world.now, size=100))

    def _expire(self) -> None:
        self._step(Owner.SCHEDULER, lambda c: scheduler.tasks_expire(c, now=self.world.now, size=100))

    def _rescue(self) -> None:
        async def rescue(connection: AsyncConnection) -> None:
            lost = await scheduler.tasks_lost(connection, now=self.world.now, stale=STALE, size=100)
            verdicts = list(judge(lost, lambda: 0.5))
            if verdicts:
                await scheduler.tasks_rescue(connection, verdicts, now=self.world.now)

        self._step(Owner.SCHEDULER, rescue)

    def _reap(self) -> None:
        self._step(Owner.REAPER, lambda c: reaper.tasks_remove(c, most=100, now=self.world.now))

    @rule(target=hints, room=st.integers(1, 3))
    def dispatch(self, room: int) -> Any:
        grant = dispatcher.Grant(LINE, room)
        served = [(LINE.queue, "h")]
        dispatch = self._step(
            Owner.DISPATCHER,
            lambda c: dispatcher.tasks_dispatch(c, [grant], served=served, budget=100, park=60.0, now=self.world.now),
        )
        return multiple(*(each.hint for each in dispatch.queued))

    @rule(lost=consumes(hints))
    def redis_loses_a_hint(self, lost: Hint) -> None:
        """Its task comes back by the overdue sweep."""
        del lost
        self._take_back()

    def _take_back(self) -> None:
        async def take_back(connection: AsyncConnection) -> None:
            before = self.world.now + timedelta(seconds=1)
            queued = await dispatcher.tasks_queued(connection, before=before, after=None, most=100)
            await dispatcher.tasks_release(connection, queued)

        self._step(Owner.DISPATCHER, take_back)

    # A hint that is not consumed may be delivered again, and late.
    @rule(target=attempts, hint=hints)
    def claim(self, hint: Hint) -> Any:
        return self._claim([hint])

    def _claim(self, hints: Sequence[Hint]) -> Any:
        rows = self._step(
            Owner.EXECUTOR,
            lambda c: executor.tasks_claim(
                c,
                ids=[hint.task_id for hint in hints],
                attempts=[hint.attempt for hint in hints],
                executor_id=self._new_id(),
                default_timeout=20.0,
                grace=5.0,
                now=self.world.now,
            ),
        )
        return multiple(*(Attempt(row.id, row.attempt, _standing(row)) for row in rows))

    # An attempt that is not consumed may be finished again: by a zombie.
    @rule(attempt=attempts, outcome=st.sampled_from(OUTCOMES))
    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        endings = executor.Endings()
        endings.add(attempt.task_id, attempt.number, decide(attempt.standing, outcome, jitter=0.5))
        before = self.world.rows.get(attempt.task_id)
        rows = self._step(Owner.EXECUTOR, lambda c: executor.tasks_finish(c, endings, now=self.world.now))
        holds = before is not None and (before.state, before.attempt) == (State.RUNNING, attempt.number)
        assert bool(rows) == holds, "only the attempt that holds the task may end it"

    @rule(target=attempts, count=st.integers(1, 3))
    def others_run_what_lost_executors_held(self, count: int) -> Any:
        """The lost ones may still speak up."""
        self.world.now += timedelta(seconds=60)
        self._rescue()
        self.world.now += timedelta(seconds=60)
        self._promote()
        hints = self.dispatch(count).values
        return self._claim(hints) if hints else multiple()

    @rule(task_id=tasks, action=st.sampled_from(["cancel", "redrive", "discard", "sooner", "later"]))
    def a_caller_acts(self, task_id: UUID, action: str) -> None:
        now = self.world.now
        moved = {"run_at": now + timedelta(seconds=20 if action == "later" else -10)}
        acts: dict[str, Callable[[AsyncConnection], Coroutine[Any, Any, Any]]] = {
            "cancel": lambda c: gateway.task_cancel(c, TENANT, task_id, now=now),
            "redrive": lambda c: gateway.task_redrive(c, TENANT, task_id, now=now),
            "discard": lambda c: gateway.task_discard(c, TENANT, task_id, now=now),
        }
        edit: Callable[[AsyncConnection], Coroutine[Any, Any, Any]] = lambda c: gateway.task_edit(  # noqa: E731 - one of five
            c, TENANT, task_id, moved, now=now
        )
        self._step(Owner.GATEWAY, acts.get(action, edit))

    def _step(self, owner: Owner, act: Callable[[AsyncConnection], Coroutine[Any, Any, Any]]) -> Any:
        answer = self.world.run(act)
        self.world.check(owner)
        return answer

    def _end(self) -> None:
        """From wherever the tasks are, the sweeps and one good executor bring each of them to a final state."""
        for _ in range(12):
            self.world.now += timedelta(seconds=60)
            for sweep in (self._rescue, self._expire, self._promote):
                sweep()
            for hint in self.dispatch(100).values:
                for attempt in self._claim([hint]).values:
                    self.finish(attempt, OUTCOMES[0])
        open_ = [str(task_id) for task_id, row in self.world.rows.items() if row.state not in FINAL]
        assert not open_, f"these tasks never end: {open_}"


def _standing(row: Any) -> Standing:
    return Standing(
        failures=row.failures,
        lost=row.lost,
        delivery=Delivery(row.delivery),
        retry=Retry(max_attempts=row.max_attempts),
    )
