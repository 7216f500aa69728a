"""What due schedules do, from their rows: the core's decision as it will be written."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from tidewheel_common.core.rule import Rule, read_rule
from tidewheel_common.core.turn import Decision, Entry, RunOverlap, Standing, fired_entry, take_turn
from tidewheel_scheduler.schedule_queries import DueSchedule, PausedSchedule, Turn, Written


def rule_of(schedule: DueSchedule | PausedSchedule) -> Rule:
    """Return a schedule's rule.

    Raises:
        InvalidSchedule: no clock can follow it.
    """
    return read_rule(
        every=schedule.every,
        cron=schedule.cron,
        timezone=schedule.timezone,
        starts_at=schedule.starts_at,
        rule=schedule.rule,
    )


def due_turn(schedule: DueSchedule, new_id: Callable[[], UUID]) -> Turn:
    """Return what a schedule does whose time has come.

    Raises:
        InvalidSchedule: no clock can follow its rule.
    """
    rule = rule_of(schedule)
    standing = Standing(
        overlap=RunOverlap(schedule.overlap),
        fired=schedule.fired,
        held=schedule.held_at,
        open_runs=tuple(schedule.open_runs),
    )
    decision = take_turn(rule, standing, schedule.next_run_at or schedule.now, schedule.now)
    return Turn(
        schedule_id=schedule.id,
        at=schedule.now,
        entries=tuple(_written(rule, schedule, entry, new_id) for entry in decision.entries),
        following_at=decision.following,
        held_at=decision.held,
        spent=_spent(decision, schedule.held_at),
        ends=decision.following is None,
        cancel=decision.cancel,
    )


def freed_turn(schedule: DueSchedule, new_id: Callable[[], UUID]) -> Turn:
    """Return the turn of a fire that waited for a run to end; it was counted when it began to wait.

    Raises:
        InvalidSchedule: no clock can follow its rule.
    """
    entry = fired_entry(schedule.held_at or schedule.now, schedule.now, why="It waited for the run before it to end.")
    return Turn(
        schedule_id=schedule.id,
        at=schedule.now,
        entries=(_written(rule_of(schedule), schedule, entry, new_id),),
        following_at=schedule.next_run_at,
        held_at=None,
        spent=0,
        ends=schedule.next_run_at is None,
    )


def _written(rule: Rule, schedule: DueSchedule, entry: Entry, new_id: Callable[[], UUID]) -> Written:
    if not entry.fires:
        return Written(entry=entry, task_id=None, run_at=None)
    run_at = rule.plan.run_at(schedule.id, entry.nominal_at)
    # Counted from when it can start: a fire that comes late is not born expired.
    expires_at = rule.expires_at(max(run_at, schedule.now))
    return Written(entry=entry, task_id=new_id(), run_at=run_at, expires_at=expires_at)


def _spent(decision: Decision, held: datetime | None) -> int:
    return sum(entry.fires for entry in decision.entries) + (decision.held is not None and decision.held != held)
