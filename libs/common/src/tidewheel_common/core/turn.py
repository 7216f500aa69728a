"""What a schedule does when its time has come: the decision, without any I/O.

The order is: excluded days, then the misfire policy, then the number of fires that are left, then the overlap policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from tidewheel_common.core.misfire import judge
from tidewheel_common.core.rule import Rule

LATE = 5.0
"""Seconds after its nominal time from which a fire counts as late."""


class Outcome(StrEnum):
    """What became of a nominal time."""

    FIRED = "fired"
    SKIPPED = "skipped"
    """It did not fire because its user said so: an excluded day, `skip-next`, the overlap policy."""
    LATE = "late"
    """It fired, but the scheduler came late."""
    MISSED = "missed"
    """It did not fire because the scheduler came too late."""


class RunOverlap(StrEnum):
    """What a fire does while a run of the same schedule has not ended."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    """One fire is held until the run has ended; further ones are skipped meanwhile."""
    CANCEL_RUNNING = "cancel_running"
    """The run before is cancelled: at once when it has not started, else it is asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row for the ledger; it fires when its outcome says so."""

    nominal_at: datetime
    outcome: Outcome
    reason: str

    @property
    def fires(self) -> bool:
        """Whether a task is born."""
        return self.outcome in {Outcome.FIRED, Outcome.LATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a schedule stands when its turn comes.

    Attributes:
        fired: how often it has fired.
        held: a nominal time that waits for a run to end.
        open_runs: its tasks that are not final; only known where the overlap policy needs them.
    """

    overlap: RunOverlap = RunOverlap.ALLOW
    fired: int = 0
    held: datetime | None = None
    open_runs: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a turn does.

    Attributes:
        entries: for the ledger, in order.
        following: the next nominal time; None: the schedule has ended.
        held: what waits from now on.
        cancel: the runs to cancel.
    """

    entries: tuple[Entry, ...]
    following: datetime | None
    held: datetime | None = None
    cancel: tuple[UUID, ...] = ()


def take_turn(rule: Rule, standing: Standing, first: datetime, now: datetime) -> Decision:
    """Decide what a schedule does whose nominal time `first` has come.

    Raises:
        InvalidSchedule: its next time is beyond the calendar.
    """
    due = rule.plan.due(first, now)
    reasons = [(time, rule.plan.excluded(time)) for time in due.times]
    entries = [Entry(nominal_at=time, outcome=Outcome.SKIPPED, reason=reason) for time, reason in reasons if reason]
    times = [time for time, reason in reasons if not reason]
    missed = judge(rule.misfire, times, now)
    pairs = zip(times, missed, strict=True)
    entries += [Entry(nominal_at=time, outcome=Outcome.MISSED, reason=reason) for time, reason in pairs if reason]
    if due.older is not None:
        entries.append(_summed_up(due.older, due.times[0]))
    firing = [time for time, reason in zip(times, missed, strict=True) if not reason]
    left = None if rule.max_fires is None else max(0, rule.max_fires - standing.fired)
    fires, held, cancel = _overlapping(standing, firing[:left], now)
    entries += fires
    spent = sum(entry.fires for entry in fires) + (held is not None and held != standing.held)
    ended = left is not None and spent >= left
    return Decision(
        entries=tuple(sorted(entries, key=lambda entry: entry.nominal_at)),
        following=None if ended else rule.plan.next_after(max(now, due.times[-1])),
        held=held,
        cancel=cancel,
    )


def fired_entry(nominal: datetime, now: datetime, *, why: str = "") -> Entry:
    """Return the entry of a time that fires, with how late it is."""
    late = (now - nominal).total_seconds()
    if now - nominal <= timedelta(seconds=LATE):
        return Entry(nominal_at=nominal, outcome=Outcome.FIRED, reason=why or "It fired on time.")
    return Entry(nominal_at=nominal, outcome=Outcome.LATE, reason=why or f"It fired {late:.1f} s late.")


def _summed_up(older: datetime, first: datetime) -> Entry:
    reason = f"This and every later time before {first.isoformat()} was missed: too many to write down singly."
    return Entry(nominal_at=older, outcome=Outcome.MISSED, reason=reason)


def _overlapping(
    standing: Standing, times: Sequence[datetime], now: datetime
) -> tuple[list[Entry], datetime | None, tuple[UUID, ...]]:
    """Return the entries, what is held from now on, and the runs to cancel."""
    busy = bool(standing.open_runs)
    match standing.overlap:
        case RunOverlap.ALLOW:
            return [fired_entry(time, now) for time in times], standing.held, ()
        case RunOverlap.SKIP:
            free = 0 if busy else 1
            entries = [fired_entry(time, now) for time in times[:free]]
            why = "The run before has not ended, and the overlap policy is `skip`."
            return entries + _skipped(times[free:], why), None, ()
        case RunOverlap.QUEUE_ONE:
            free = 0 if busy or standing.held is not None else 1
            entries = [fired_entry(time, now) for time in times[:free]]
            waiting = times[free:]
            held = standing.held if standing.held is not None else next(iter(waiting), None)
            why = "A run has not ended and the next one waits for it already; the overlap policy is `queue_one`."
            return entries + _skipped([time for time in waiting if time != held], why), held, ()
        case RunOverlap.CANCEL_RUNNING:
            entries = [fired_entry(time, now) for time in times[-1:]]
            why = "A later time was due as well and would have cancelled this run."
            return _skipped(times[:-1], why) + entries, None, standing.open_runs if times else ()
        case _:
            assert_never(standing.overlap)


def _skipped(times: Sequence[datetime], reason: str) -> list[Entry]:
    return [Entry(nominal_at=time, outcome=Outcome.SKIPPED, reason=reason) for time in times]
