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
from sqlalchemy import column, func, select, table
from tests.support import wait_until

from tidewheel_common.core.decide import Standing, decide
from tidewheel_common.core.lifecycle import FINAL, Owner, State, edges_of
from tidewheel_common.core.outcome import Completed, Failed, Lost, Outcome, Refused
from tidewheel_common.core.task import Delivery, Priority, Retry
from tidewheel_common.store import tables
from tidewheel_common.store.engine import Connection, Engine, open_engine
from tidewheel_common.store.errors import is_transient
from tidewheel_common.store.expression import render
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
SWEEPS = ("promote", "expire", "rescue", "reap")
LINE = Line("default", Priority.MEDIUM)

Act = Callable[[Connection], Coroutine[Any, Any, Any]]
"""Statements, to be run in one transaction."""

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
    lost: int
    remove_at: datetime | None
    logged: int
    """How many attempts its execution log has."""


@dataclass(slots=True)
class World:
    """One database, and everything that has been seen of it."""

    engine: Engine
    loop: asyncio.AbstractEventLoop
    now: datetime = START
    rows: dict[UUID, Row] = field(default_factory=dict)

    def connect(self) -> None:
        """Open every connection that will be used, however long a busy machine takes for it.

        An error that does not come again would look to Hypothesis as if the rules drew at random.
        """

        async def both() -> bool:
            try:
                async with self.engine.connect(), self.engine.connect():
                    return True
            except Exception as error:
                if not is_transient(error):
                    raise
                return False

        self.loop.run_until_complete(wait_until(both, timeout=60.0, what="two connections"))

    def run(self, act: Act) -> Any:
        """Run statements in a transaction of their own."""
        return self.loop.run_until_complete(self._enclosed(act))

    def run_at_once(self, *acts: Act) -> list[Any]:
        """Run statements at the same time, each in a transaction and on a connection of its own."""

        async def gathered() -> list[Any]:
            return await asyncio.gather(*map(self._enclosed, acts))

        return self.loop.run_until_complete(gathered())

    def drop(self, act: Act) -> None:
        """Run statements and lose the connection before the commit: PostgreSQL takes back what they did."""

        async def dropped() -> None:
            async with self.engine.connect() as connection, connection.begin() as transaction:
                await act(connection)
                await transaction.rollback()

        self.loop.run_until_complete(dropped())
        assert self.look() == self.rows, "something outlived a transaction that did not"

    def close(self) -> None:
        """Close the connections and the event loop."""
        self.loop.run_until_complete(self.engine.dispose())
        self.loop.close()

    async def _enclosed(self, act: Act) -> Any:
        async with self.engine.begin() as connection:
            return await act(connection)

    def look(self) -> dict[UUID, Row]:
        """Read all tasks."""
        task, ended = tables.tasks.c, table("execution_log", column("task_id"))
        logged = select(func.count()).select_from(ended).where(ended.c.task_id == task.id).scalar_subquery()
        query = select(task.id, task.state, task.attempt, task.lost, task.remove_at, logged.label("logged"))

        async def read(connection: Connection) -> dict[UUID, Row]:
            found = await connection.execute(render(query))
            return {row.id: Row(State(row.state), row.attempt, row.lost, row.remove_at, row.logged) for row in found}

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
            if after is not None:
                ended = after.attempt - (after.state is State.RUNNING)
                assert after.logged == ended, f"{owner} left {after.logged} of {ended} attempts in the log"
        self.rows = rows

    def _check_pair(self, before: Row, after: Row | None, owner: Owner) -> None:
        if after is None:
            assert before.state in FINAL
            assert before.remove_at is not None
            assert before.remove_at <= self.now
            return
        claimed = (before.state, after.state) == (State.QUEUED, State.RUNNING)
        assert after.attempt == before.attempt + claimed, f"{owner} changed the fence outside a claim"
        assert after.lost <= before.lost + 1, f"{owner} counted one loss twice"


class Lifecycle(RuleBasedStateMachine):
    """The rules: what each service may do at any moment."""

    url: str

    tasks = Bundle("tasks")
    hints = Bundle("hints")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self._ids = 1000
        self.world = World(open_engine(self.url, application_name="model", pool_size=2), asyncio.new_event_loop())
        self.world.connect()
        self.world.run(_clear)

    def _new_id(self) -> UUID:
        # Not random: the order of ids decides which task is dispatched first, and a failing run must replay.
        self._ids += 1
        return UUID(int=self._ids)

    def teardown(self) -> None:
        try:
            self._take_back()
            self._end()
        finally:
            self.world.close()

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
        ends = self.world.now + timedelta(seconds=expires) if expires else None
        row = task_row(self._new_id(), delay=delay, expires_at=ends, most=most, delivery=delivery, kept=kept)
        self._step(Owner.GATEWAY, lambda c: gateway.tasks_accept(c, [Submission(rows=(row,))], now=self.world.now))
        return row.id

    @rule(target=hints, delay=st.sampled_from([0, 5]), delivery=st.sampled_from(list(Delivery)))
    def submit_straight(self, delay: int, delivery: Delivery) -> Any:
        """What is not due is not queued, whatever the gateway says."""
        rows = (task_row(self._new_id(), delay=delay, delivery=delivery),)
        flight, now = [Submission(rows=rows)], self.world.now
        self._step(Owner.GATEWAY, lambda c: gateway.tasks_accept(c, flight, straight={LINE: rows}, now=now))
        assert self.world.rows[rows[0].id].state is (State.WAITING if delay else State.QUEUED)
        return multiple() if delay else Hint(rows[0].id, 0, rows[0].handler)

    @rule(lost=consumes(hints))
    def a_push_fails(self, lost: Hint) -> None:
        self._step(Owner.GATEWAY, lambda c: gateway.tasks_release(c, [lost.task_id], now=self.world.now))

    @rule(seconds=st.sampled_from([1, 10, 60]), sweep=st.sampled_from([None, *SWEEPS]))
    def time_passes(self, seconds: int, sweep: str | None) -> None:
        self.world.now += timedelta(seconds=seconds)
        if sweep is not None:
            self._sweep(sweep)

    def _sweep(self, name: str) -> None:
        owner, act = self._sweeping(name)
        self._step(owner, act)

    def _sweeping(self, name: str) -> tuple[Owner, Act]:
        now = self.world.now
        sweeps: dict[str, tuple[Owner, Act]] = {
            "promote": (Owner.SCHEDULER, lambda c: scheduler.tasks_promote(c, now=now, size=100)),
            "expire": (Owner.SCHEDULER, lambda c: scheduler.tasks_expire(c, now=now, size=100)),
            "rescue": (Owner.SCHEDULER, self._rescue),
            "reap": (Owner.REAPER, lambda c: reaper.tasks_remove(c, most=100, now=now)),
        }
        return sweeps[name]

    async def _rescue(self, connection: Connection) -> None:
        lost = await scheduler.tasks_lost(
            connection, now=self.world.now, stale=STALE, jumped_at=START, slack=STALE, size=100
        )
        verdicts = list(judge(lost, lambda: 0.5))
        if verdicts:
            await scheduler.tasks_rescue(connection, verdicts, now=self.world.now)

    @rule(target=hints, room=st.integers(1, 3))
    def dispatch(self, room: int) -> Any:
        dispatch = self._step(Owner.DISPATCHER, self._dispatching(room))
        return multiple(*(each.hint for each in dispatch.queued))

    def _dispatching(self, room: int) -> Act:
        grant = dispatcher.Grant(LINE, room)
        return lambda c: dispatcher.tasks_dispatch(
            c, [grant], served=[(LINE.queue, "h")], budget=100, park=60.0, now=self.world.now
        )

    @rule(lost=consumes(hints))
    def redis_loses_a_hint(self, lost: Hint) -> None:
        """Its task comes back by the overdue sweep."""
        del lost
        self._take_back()

    def _take_back(self) -> None:
        async def take_back(connection: Connection) -> None:
            before = self.world.now + timedelta(seconds=1)
            queued = await dispatcher.tasks_queued(connection, before=before, after=None, most=100)
            await dispatcher.tasks_release(connection, queued, now=self.world.now)

        self._step(Owner.DISPATCHER, take_back)

    # A hint that is not consumed may be delivered again, and late.
    @rule(target=attempts, hint=hints)
    def claim(self, hint: Hint) -> Any:
        return self._claim([hint])

    def _claim(self, hints: Sequence[Hint]) -> Any:
        return multiple(*believed(self._step(Owner.EXECUTOR, self._claiming(hints))))

    def _claiming(self, hints: Sequence[Hint]) -> Act:
        executor_id = self._new_id()
        return lambda c: executor.tasks_claim(
            c,
            ids=[hint.task_id for hint in hints],
            attempts=[hint.attempt for hint in hints],
            leases=[25.0] * len(hints),
            executor_id=executor_id,
            now=self.world.now,
        )

    # An attempt that is not consumed may be finished again: by a zombie.
    @rule(attempt=attempts, outcome=st.sampled_from(OUTCOMES))
    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        holds = self._holds(attempt)
        rows = self._step(Owner.EXECUTOR, self._finishing(attempt, outcome))
        assert bool(rows) == holds, "only the attempt that holds the task may end it"

    def _holds(self, attempt: Attempt) -> bool:
        row = self.world.rows.get(attempt.task_id)
        return row is not None and (row.state, row.attempt) == (State.RUNNING, attempt.number)

    def _finishing(self, attempt: Attempt, outcome: Outcome) -> Act:
        """As executors do: a completion the short way, and the long way what that one has not taken."""
        endings = executor.Endings()
        endings.add(attempt.task_id, attempt.number, decide(attempt.standing, outcome, jitter=0.5))
        completion = (attempt.task_id, attempt.number, b"1")

        async def finish(connection: Connection) -> list[bool]:
            taken: Sequence[Any] = ()
            if isinstance(outcome, Completed):
                taken = await executor.tasks_complete(connection, [completion], now=self.world.now)
            rest = () if taken else await executor.tasks_finish(connection, endings, now=self.world.now)
            return [*(False for _ in taken), *(row.cancelled for row in rest)]

        return finish

    @rule(target=attempts, count=st.integers(1, 3))
    def others_run_what_lost_executors_held(self, count: int) -> Any:
        """The lost ones may still speak up."""
        self.world.now += timedelta(seconds=60)
        self._sweep("rescue")
        self.world.now += timedelta(seconds=60)
        self._sweep("promote")
        hints = self.dispatch(count).values
        return self._claim(hints) if hints else multiple()

    @rule(task_id=tasks, action=st.sampled_from(["cancel", "redrive", "discard", "sooner", "later"]))
    def a_caller_acts(self, task_id: UUID, action: str) -> None:
        now = self.world.now
        moved = {"run_at": now + timedelta(seconds=20 if action == "later" else -10)}
        acts: dict[str, Act] = {
            "cancel": lambda c: gateway.tasks_cancel(c, TENANT, [task_id], now=now),
            "redrive": lambda c: gateway.tasks_redrive(c, TENANT, [task_id], now=now),
            "discard": lambda c: gateway.tasks_discard(c, TENANT, [task_id], now=now),
        }
        self._step(Owner.GATEWAY, acts.get(action, lambda c: gateway.task_edit(c, TENANT, task_id, moved, now=now)))

    def _step(self, owner: Owner, act: Act) -> Any:
        answer = self.world.run(act)
        self.world.check(owner)
        return answer

    def _end(self) -> None:
        """From wherever the tasks are, the sweeps and one good executor bring each of them to a final state."""
        for _ in range(12):
            self.world.now += timedelta(seconds=60)
            for sweep in ("rescue", "expire", "promote"):
                self._sweep(sweep)
            for hint in self.dispatch(100).values:
                for attempt in self._claim([hint]).values:
                    self.finish(attempt, OUTCOMES[0])
        open_ = [str(task_id) for task_id, row in self.world.rows.items() if row.state not in FINAL]
        assert not open_, f"these tasks never end: {open_}"


def task_row(
    task_id: UUID,
    *,
    delay: int = 0,
    expires_at: datetime | None = None,
    most: int = 2,
    delivery: Delivery = Delivery.AT_LEAST_ONCE,
    kept: float = 50.0,
) -> TaskRow:
    """Return a task as the gateway would insert it."""
    return TaskRow(
        id=task_id, tenant_id=TENANT, handler="h", queue=LINE.queue, priority=LINE.priority, payload=b"sealed",
        max_attempts=most, timeout=20.0, backoff=None, removal_delay=kept, delivery=delivery, tags="",
        traceparent=None, run_at=None, delay=timedelta(seconds=delay), expires_at=expires_at,
    )  # fmt: skip


def believed(rows: Sequence[Any]) -> list[Attempt]:
    """Return what an executor believes to hold after a claim."""
    return [Attempt(row.id, row.attempt, _standing(row)) for row in sorted(rows, key=lambda row: row.id)]


async def _clear(connection: Connection) -> None:
    for each in (tables.tasks, tables.attempts, tables.idempotency_keys):
        await connection.execute(render(each.delete()))


def _standing(row: Any) -> Standing:
    return Standing(
        failures=row.failures,
        lost=row.lost,
        delivery=Delivery(row.delivery),
        retry=Retry(max_attempts=row.max_attempts),
    )
