"""Who is told now that a task has not begun, and when others want to know of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tidewheel_executor.notice_queries import LapsedTask, Rule

Json = dict[str, Any]

SLACK: Final = timedelta(milliseconds=1)
"""By so much two ways of counting the same seconds may differ."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody who wants to know after so many seconds that a task has not begun: a target, or that of a rule."""

    after: float
    target: Json | None = None
    rule: Rule | None = None


def wishes(lapse: LapsedTask, note: Json, rules: Sequence[Rule]) -> list[Wish]:
    """Return who wants to know of a task at any time, those who want it first before the others."""
    asked = [Wish(each["late_after"], target=each) for each in note.get("targets", ()) if each.get("late_after")]
    ruled = [
        Wish(rule.coverage.late_after, rule=rule)
        for rule in rules
        if rule.coverage.late_after is not None and rule.coverage.covers(lapse.handler, lapse.queue, lapse.tags)
    ]
    return sorted([*asked, *ruled], key=lambda wish: wish.after)


def split(lapse: LapsedTask, wanted: Sequence[Wish]) -> tuple[list[Wish], datetime | None]:
    """Return whose time has come now and was not there before, and when the time of the next one comes."""
    if not wanted:
        return [], None
    due = lapse.due_at or lapse.late_at - timedelta(seconds=wanted[0].after)
    times = [(due + timedelta(seconds=wish.after), wish) for wish in wanted]
    now = [wish for at, wish in times if lapse.late_at - SLACK <= at <= lapse.lapsed_at]
    return now, next((at for at, _ in times if at > lapse.lapsed_at), None)
