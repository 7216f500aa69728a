"""C1-C8: was anything lost, doubled or out of order? Each checker returns sentences; none means that all is well."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.evidence import Evidence, Row, Step
from tests.chaos.work import FAILURES

from tidewheel_common.core.lifecycle import EDGES, FINAL
from tidewheel_common.core.task import POISON_LIMIT

SLACK = 0.005
"""Seconds that two readings of one clock may differ by their rounding."""

PUNCTUAL = 2.0
"""Seconds that 99 of 100 tasks may be late when nothing is broken and the machine is not overloaded."""

_OTHER_ENDINGS = {("expiring", "expired"), ("cancelled", "cancelled")}

_OWNED = {(edge.source, edge.target, edge.owner) for edge in EDGES}


def no_loss(evidence: Evidence) -> list[str]:
    """C1: every task that was accepted is final, or was removed after it had been."""
    return [f"{task} was accepted and {trouble}" for task in evidence.kinds() if (trouble := _lost(evidence, task))]


def _lost(evidence: Evidence, task: str) -> str:
    steps = evidence.trail.get(task)
    if not steps:
        return "never stood in the database"
    last = steps[-1]
    if last.target is None:
        return "" if last.source in FINAL else f"was removed while {last.source}"
    if last.target not in FINAL:
        return f"is still {last.target}"
    return "" if task in evidence.rows else "is gone without having been removed"


def one_task_a_key(evidence: Evidence) -> list[str]:
    """C2: whatever answers were lost, a submit made its tasks once or not at all, and each answer named the same."""
    made = Counter(tag for tag in evidence.born.values() if tag)
    return [f"{op} {trouble}" for op in evidence.ops if (trouble := _doubled(evidence, op, made[op]))]


def _doubled(evidence: Evidence, name: str, made: int) -> str:
    op = evidence.ops[name]
    if op.other_ids:
        return f"was answered with other ids: {op.other_ids[0]} instead of {op.ids}"
    if op.ids:
        named = sum(1 for task in op.ids if task)
        return "" if made == named else f"named {named} tasks and made {made}"
    return "" if made in {0, len(op.kinds)} else f"has no certain answer and made {made} of {len(op.kinds)} tasks"


def no_phantom(evidence: Evidence) -> list[str]:
    """C3: whatever ran had been committed, and nothing that was refused exists."""
    runs = {run.task for run in evidence.runs}
    refused = {op.op for op in evidence.ops.values() if op.refused and not op.ids}
    return [f"{task} ran and was never committed" for task in runs if task not in evidence.born] + [
        f"{task} stands in the database although {tag} was refused"
        for task, tag in evidence.born.items()
        if tag in refused
    ]


def attempts_start_once(evidence: Evidence) -> list[str]:
    """C4: no attempt starts twice, each stands in the execution log, and what may run once at most does."""
    starts = Counter((run.task, run.attempt) for run in evidence.runs)
    found = [f"{task} started attempt {attempt} {n} times" for (task, attempt), n in starts.items() if n > 1]
    for task, attempt in starts:
        if task in evidence.rows and attempt not in {number for number, _ in evidence.attempts.get(task, ())}:
            found.append(f"{task} started attempt {attempt}, of which the execution log knows nothing")
    kinds = evidence.kinds()
    tasks = Counter(run.task for run in evidence.runs)
    found += [f"{task} is at most once and started {n} times" for task, n in tasks.items()
              if n > 1 and kinds.get(task) == "once"]  # fmt: skip
    return found


def one_ending(evidence: Evidence) -> list[str]:
    """C5: one final state, recorded by the newest attempt alone, and the one that this kind of task must have."""
    found: list[str] = []
    for task, steps in evidence.trail.items():
        endings = [step for step in steps if step.target in FINAL]
        if len(endings) > 1:
            found.append(f"{task} ended {len(endings)} times: {', '.join(str(step.target) for step in endings)}")
        found.extend(f"{task} {trouble}" for trouble in _unfenced(evidence, task, steps))
    for task, kind in evidence.kinds().items():
        row = evidence.rows.get(task)
        if row is not None and not _right(kind, row):
            found.append(f"{task} ({kind}) ended {row.state}, {row.reason}, {row.failures} failures, {row.lost} losses")
    return found + _cancelled_anyway(evidence)


def _unfenced(evidence: Evidence, task: str, steps: Sequence[Step]) -> Iterator[str]:
    highest = 0
    for step in steps:
        if step.source == "running" and step.attempt != highest:
            yield f"left running as attempt {step.attempt} when {highest} was the newest"
        if step.target == "running" and step.attempt <= highest:
            yield f"began attempt {step.attempt} after {highest}"
        highest = max(highest, step.attempt)
    kept = evidence.attempts.get(task, ())
    if len({attempt for attempt, _ in kept}) != len(kept):
        yield "has two entries for one attempt in its execution log"
    if sum(1 for _, state in kept if state == "complete") > 1:
        yield "was completed by two attempts"


def _right(kind: str, row: Row) -> bool:
    if row.state == "dead" and row.reason == "poison":
        return kind != "once" and row.lost >= POISON_LIMIT
    if kind == "failing":
        return (row.state, row.reason, row.failures) == ("dead", "attempts_exhausted", row.max_attempts)
    if kind == "once" and row.state == "dead":
        return (row.reason, row.lost) == ("lost", 1)
    if (kind, row.state) in _OTHER_ENDINGS:
        return True
    return row.state == "complete" and row.failures == (FAILURES if kind == "flaky" else 0)


def _cancelled_anyway(evidence: Evidence) -> list[str]:
    confirmed = {task for op in evidence.ops.values() for task in op.cancelled}
    rows = evidence.rows
    return [f"{task} was confirmed cancelled and is {rows[task].state}" for task in confirmed if task in rows
            and rows[task].state != "cancelled"]  # fmt: skip


def legal_states(evidence: Evidence) -> list[str]:
    """C6: every change of state is an edge of the lifecycle, taken by its owner, from where the last one led."""
    found = []
    for task, steps in evidence.trail.items():
        where: str | None = None
        for step in steps:
            if step.source != where:
                found.append(f"{task} left {step.source} when it was {where}")
            owner = step.by.removeprefix("tidewheel-").partition("-")[0]
            if (step.source, step.target, owner) not in _OWNED:
                found.append(f"{task} went from {step.source} to {step.target} by {step.by}")
            where = step.target
    return found


def in_time(evidence: Evidence) -> list[str]:
    """C7: nothing starts before it is due, and after the last healing the work ends within the bound."""
    found = [f"{task} {trouble}" for task, steps in evidence.trail.items() for trouble in _early(steps)]
    runs = evidence.runs_of()
    for op in evidence.ops.values():
        for task, due in zip(op.ids, op.due, strict=False):
            if task in runs and runs[task][0].began < due - SLACK and not _by_another_clock(evidence, task):
                found.append(f"{task} started {due - runs[task][0].began:.3f} s before it was due")
    late = lateness(evidence)
    if late and not evidence.faults and late[len(late) * 99 // 100] > PUNCTUAL:
        found.append(f"without faults, one task in a hundred was {late[len(late) * 99 // 100]:.2f} s late or more")
    if evidence.quiet is None or evidence.quiet > evidence.quiet_bound:
        found.append(f"the work did not end within {evidence.quiet_bound:g} s of the last healing")
    return found


def _early(steps: Sequence[Step]) -> Iterator[str]:
    """A task is due once the database's clock has shown its time, also when that clock is set back afterwards."""
    shown = float("-inf")
    for step in steps:
        shown = max(shown, step.clock)
        if step.target == "running":
            if shown < step.run_at - SLACK:
                yield f"was claimed {step.run_at - shown:.3f} s early"
            shown = float("-inf")


def _by_another_clock(evidence: Evidence, task: str) -> bool:
    """Tell whether the database's clock was moved while a task waited: that clock decides, not the client's."""
    return any(abs(step.drift) > 1.0 for step in evidence.trail.get(task, ()))


def lateness(evidence: Evidence) -> list[float]:
    """Return by how many seconds each task was claimed for the first time after it was due and accepted."""
    found = []
    for task, steps in evidence.trail.items():
        first = next((step for step in steps if step.target == "running"), None)
        if first is not None and not _by_another_clock(evidence, task):
            found.append(first.at - max(first.run_at, steps[0].at))
    return sorted(found)


def no_overlap(evidence: Evidence) -> list[str]:
    """C8: two attempts of a task run at the same time only when the earlier one had been given up as lost before."""
    found = []
    for task, runs in evidence.runs_of().items():
        given_up: defaultdict[int, float] = defaultdict(lambda: float("inf"))
        if len(runs) > 1:
            given_up.update({s.attempt: s.at for s in evidence.trail.get(task, ()) if s.source == "running"})
        lost = {attempt for attempt, state in evidence.attempts.get(task, ()) if state == "lost"}
        for earlier, later in pairwise(runs):
            overlaps = earlier.ended is None or earlier.ended > later.began
            known = earlier.attempt in lost or task not in evidence.rows
            excused = known and given_up[earlier.attempt] <= later.began + SLACK
            if overlaps and not excused:
                found.append(f"{task}: attempt {later.attempt} began while {earlier.attempt} ran")
    return found
