"""Why a task is not running yet, or what became of it: each gate, who holds it, and when it lifts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.core.valve import Valve
from tidewheel_gateway.queue_queries import MOST_AHEAD, OpenParent
from tidewheel_gateway.records import ExecutorRecord, Serving, TaskRecord


class Gate(BaseModel):
    """One thing that a task has to pass on its way."""

    gate: str
    open: bool
    holder: str | None = Field(description="Who opens it.")
    until: datetime | None = Field(description="When it opens, where that is known.")
    detail: str


class Explanation(BaseModel):
    """Where a task is, in a sentence, and every gate on its way."""

    state: State
    summary: str
    gates: list[Gate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an explanation is made from."""

    task: TaskRecord
    serving: Serving
    executor: ExecutorRecord | None
    parents: tuple[OpenParent, ...] = ()
    """The first of those that have not counted yet."""
    valve: Valve | None = None
    """What is set for its queue."""
    holders: tuple[UUID, ...] = ()
    """Tasks that have the slots of its concurrency key."""
    in_flight: int = 0
    """Tasks of its queue that are queued or running."""
    ahead: int = 0
    """Ready tasks of its queue and priority that go before it, as far as they were counted."""

    @property
    def now(self) -> datetime:
        """The database's clock."""
        return self.serving.now


def explain(facts: Facts) -> Explanation:
    """Explain where a task is."""
    gates = list(_gates(facts))
    closed = next((gate for gate in gates if not gate.open), None)
    summary = closed.detail if closed is not None else _SUMMARIES[facts.task.state]
    return Explanation(state=facts.task.state, summary=summary, gates=gates)


_SUMMARIES = {
    State.BLOCKED: "It waits for the tasks that it depends on.",
    State.WAITING: "It is due; the scheduler is about to promote it.",
    State.READY: "It is due; the dispatcher is about to push it.",
    State.QUEUED: "It is in its queue's stream; an executor is about to claim it.",
    State.RUNNING: "It is running.",
    State.COMPLETE: "It has succeeded.",
    State.DEAD: "It is dead.",
    State.CANCELLED: "It was cancelled.",
    State.EXPIRED: "It expired before it started.",
}


def _gates(facts: Facts) -> Iterator[Gate]:
    task = facts.task
    if task.state in FINAL:
        yield _final(task)
        return
    if task.on_parent_failure is not None:
        yield _parents(facts)
    yield _due(facts)
    if task.state is not State.RUNNING:
        yield from _limits(facts)
    yield _served(facts)
    yield from _way(facts)
    if task.cancel_requested_at is not None:
        yield _open("cancel", f"A cancel was asked for at {_time(task.cancel_requested_at)}.")


def _way(facts: Facts) -> Iterator[Gate]:
    """Say where a task is on its way to an executor."""
    task = facts.task
    match task.state:
        case State.READY if task.ready_at is not None and task.ready_at > facts.now:
            yield _closed(
                "parked", "dispatcher", f"The dispatcher looks at it again at {_time(task.ready_at)}.", task.ready_at
            )
        case State.READY if facts.ahead:
            yield _window(facts)
        case State.QUEUED:
            yield _closed("stream", "executor", f"It has been in its queue's stream since {_time(task.queued_at)}.")
        case State.RUNNING:
            yield _running(facts)
        case _:
            pass


def _window(facts: Facts) -> Gate:
    many = f"{facts.ahead:,} task(s)" if facts.ahead < MOST_AHEAD else f"{MOST_AHEAD:,} tasks or more"
    what = f"{many} of its queue and priority go before it; the dispatcher sends what executors start in a few seconds."
    return _closed("window", "dispatcher", what)


def _due(facts: Facts) -> Gate:
    task = facts.task
    if task.state is not State.WAITING or task.wait_until is None or task.wait_until <= facts.now:
        return _open("run_at", f"It has been due since {_time(task.run_at)}.")
    if task.attempt:
        what = f"Attempt {task.attempt} did not succeed; it backs off until {_time(task.wait_until)}."
        return _closed("backoff", "scheduler", what, task.wait_until)
    return _closed("run_at", "scheduler", f"It is scheduled for {_time(task.wait_until)}.", task.wait_until)


def _limits(facts: Facts) -> Iterator[Gate]:
    if facts.valve is not None:
        yield from _valve(facts.valve, facts)
    if facts.task.concurrency_key is not None:
        yield _slot(facts)


def _parents(facts: Facts) -> Gate:
    task = facts.task
    if task.state is not State.BLOCKED:
        return _open("parents", "The tasks that it depends on have ended.")
    named = ", ".join(f"{parent.id} ({parent.state or 'removed'})" for parent in facts.parents)
    more = task.pending_parents - len(facts.parents)
    others = f" and {more} more" if more > 0 else ""
    waits = f"It waits for {task.pending_parents} task(s) that it depends on: {named}{others}."
    failed = [parent for parent in facts.parents if parent.state in FINAL and parent.state is not State.COMPLETE]
    if failed and task.on_parent_failure == "block":
        return _closed("parents", "operator", f"{waits} Redrive those that have failed, or cancel this one.")
    return _closed("parents", "executor", waits)


def _valve(valve: Valve, facts: Facts) -> Iterator[Gate]:
    if valve.paused(facts.now):
        end = "it is resumed" if valve.paused_until is None else _time(valve.paused_until)
        what = f"The queue {valve.name} is paused until {end}."
        yield _closed("pause", "operator", what, valve.paused_until)
    if facts.task.state is State.QUEUED:  # it has been let through
        return
    if valve.concurrency is not None:
        what = f"{facts.in_flight} of {valve.concurrency} tasks of the queue {valve.name} are queued or running."
        yield (_closed if facts.in_flight >= valve.concurrency else _through)("concurrency", "executor", what)
    if valve.rate is not None:
        until = valve.next_token(facts.now)
        what = f"The queue {valve.name} may start {valve.rate:g} task(s) a second."
        yield _open("rate", what) if until is None else _closed("rate", "dispatcher", what, until)


def _slot(facts: Facts) -> Gate:
    limit, others = facts.task.concurrency_limit or 1, [each for each in facts.holders if each != facts.task.id]
    what = f"{len(others)} other task(s) with its concurrency key are queued or running; {limit} may be."
    if len(others) < limit:
        return _open("concurrency_key", what)
    return _closed("concurrency_key", str(others[0]), f"{what} The first of them is {others[0]}.")


def _through(gate: str, _: str, detail: str) -> Gate:
    return _open(gate, detail)


def _served(facts: Facts) -> Gate:
    task, serving = facts.task, facts.serving
    if task.state is State.RUNNING:
        return _open("executor", "An executor has claimed it.")
    if serving.serving:
        return _open("executor", f"{serving.serving} executor(s) serve its handler on its queue.")
    if not serving.live:
        what = "No executor is alive. Start one."
    elif not serving.serving_handler:
        what = f"None of the {serving.live} executor(s) serves the handler {task.handler}. Start one that does."
    else:
        what = f"No executor that serves the handler {task.handler} reads the queue {task.queue}. Start one that does."
    return _closed("executor", "operator", what)


def _running(facts: Facts) -> Gate:
    task, executor = facts.task, facts.executor
    where = "an executor that is gone" if executor is None else f"{executor.hostname} (process {executor.pid})"
    return _open(
        "lease",
        f"Attempt {task.attempt} runs on {where} since {_time(task.started_at)}; "
        f"its lease ends at {_time(task.lease_until)}.",
        task.lease_until,
    )


def _final(task: TaskRecord) -> Gate:
    why = f" Reason: {task.reason}." if task.reason else ""
    what = f"It ended `{task.state}` at {_time(task.finished_at)}.{why} It is removed at {_time(task.remove_at)}."
    return Gate(gate="final", open=False, holder=None, until=None, detail=what)


def _open(gate: str, detail: str, until: datetime | None = None) -> Gate:
    return Gate(gate=gate, open=True, holder=None, until=until, detail=detail)


def _closed(gate: str, holder: str, detail: str, until: datetime | None = None) -> Gate:
    return Gate(gate=gate, open=False, holder=holder, until=until, detail=detail)


def _time(instant: datetime | None) -> str:
    return "an unknown time" if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
