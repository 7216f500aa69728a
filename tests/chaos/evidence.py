"""All that a campaign leaves behind, gathered from outside of the services and from the database under test."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from tests.chaos.history import Op, read_history
from tests.chaos.ledger import Run, instant, read_runs


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a task's state, noted by the audit in the transaction that made it.

    Attributes:
        at: on the rig's clock; `run_at` and `remove_at` are on the database's.
        drift: seconds by which the database's clock was ahead.
    """

    source: str | None
    target: str | None
    attempt: int
    by: str
    at: float
    run_at: float
    remove_at: float | None = None
    drift: float = 0.0

    @property
    def clock(self) -> float:
        """When it was, on the database's clock."""
        return self.at + self.drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task as it stands in the end."""

    tenant: str
    state: str
    attempt: int
    reason: str | None = None
    failures: int = 0
    lost: int = 0
    max_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault as it really happened. Times are seconds since the epoch.

    Attributes:
        healed: when it was taken back; for a process that was ended, when it was started again.
        recovered: seconds from the healing until a new task came through; None when that was not measured.
        settled: seconds from the healing until due tasks were picked up as fast as usual, and lost ones were rescued;
            None when that was not measured.
        error: why it could not be injected.
    """

    kind: str
    target: str
    began: float
    healed: float
    recovered: float | None = None
    settled: float | None = None
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What the checkers judge.

    Attributes:
        born: the tag of each task that was ever inserted.
        tenants: whose each of them is.
        attempts: the execution log: (attempt, state) of each task.
        answers: what each tenant saw of the others' tasks: sentences, none when the wall holds.
        places: where plaintext was looked for, and whether the canary was there.
        leftovers: figures that must be back at their base, as (name, now, allowed).
        lease: seconds without a heartbeat after which an executor counts as lost.
        logs: lines of each process.
        deaths: what the supervisor said of each process that ended.
        planned: kinds and targets of the faults that were to happen.
        least: tasks that must have been accepted.
        gathered: when the rows were read, in seconds since the epoch.
        quiet: seconds that the system took to end all work after the last fault was healed; None when it never did.
    """

    ops: Mapping[str, Op] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    trail: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    born: Mapping[str, str] = field(default_factory=dict)
    tenants: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Row] = field(default_factory=dict)
    attempts: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    faults: Sequence[Injected] = ()
    answers: Sequence[str] = ()
    places: Mapping[str, bool] = field(default_factory=dict)
    leftovers: Sequence[tuple[str, float, float]] = ()
    lease: float = 15.0
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    deaths: Sequence[str] = ()
    planned: Sequence[tuple[str, str]] = ()
    least: int = 0
    quiet: float | None = 0.0
    quiet_bound: float = 180.0
    gathered: float = 0.0

    def kinds(self) -> dict[str, str]:
        """Return the kind of each accepted task."""
        return {task: kind for op in self.ops.values() for task, kind in zip(op.ids, op.kinds, strict=False) if task}

    def runs_of(self) -> dict[str, list[Run]]:
        """Return the runs of each task, in the order in which they began."""
        found: defaultdict[str, list[Run]] = defaultdict(list)
        for run in sorted(self.runs, key=lambda run: run.began):
            found[run.task].append(run)
        return found


async def gather(evidence: Evidence, *, database_url: str, ledger: Path, histories: Sequence[Path]) -> None:
    """Read what clients, handlers and the database have to say."""
    evidence.ops = {op: facts for path in histories for op, facts in read_history(path).items()}
    evidence.runs = read_runs(ledger.read_text(encoding="utf-8").splitlines()) if ledger.exists() else []
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await _read_trail(evidence, connection)
            evidence.gathered = instant()
            await _read_rows(evidence, connection)
    finally:
        await connection.close()


_STEP = ("source", "target", "attempt", "by", "at", "run_at", "remove_at", "drift")


async def _read_trail(evidence: Evidence, connection: asyncpg.Connection) -> None:
    names = {row["id"]: row["name"] for row in await connection.fetch("SELECT id, name FROM tenants")}
    trail: defaultdict[str, list[Step]] = defaultdict(list)
    born: dict[str, str] = {}
    tenants: dict[str, str] = {}
    async for row in connection.cursor(
        "SELECT task_id, tenant_id, source, target, attempt, by, tag, extract(epoch FROM at)::float8 AS at, "
        "extract(epoch FROM clock - at)::float8 AS drift, "
        "extract(epoch FROM run_at)::float8 AS run_at, extract(epoch FROM remove_at)::float8 AS remove_at "
        "FROM chaos.trail ORDER BY n",
        prefetch=5000,
    ):
        task = str(row["task_id"])
        if row["source"] is None:
            born[task] = row["tag"] or ""
            tenants[task] = {"default": "alpha"}.get(names[row["tenant_id"]], names[row["tenant_id"]])
        trail[task].append(Step(*(row[name] for name in _STEP)))
    evidence.trail, evidence.born, evidence.tenants = trail, born, tenants


async def _read_rows(evidence: Evidence, connection: asyncpg.Connection) -> None:
    rows: dict[str, Row] = {}
    async for row in connection.cursor(
        "SELECT id, state, attempt, reason, failures, lost, max_attempts FROM tasks", prefetch=5000
    ):
        task = str(row["id"])
        rows[task] = Row(
            tenant=evidence.tenants.get(task, "?"),
            state=row["state"],
            attempt=row["attempt"],
            reason=row["reason"],
            failures=row["failures"],
            lost=row["lost"],
            max_attempts=row["max_attempts"],
        )
    attempts: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    async for row in connection.cursor(
        "SELECT task_id, attempt, state FROM execution_log ORDER BY task_id, attempt", prefetch=5000
    ):
        attempts[str(row["task_id"])].append((row["attempt"], row["state"]))
    evidence.rows, evidence.attempts = rows, attempts
