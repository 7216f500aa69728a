"""A schedule's rule as the database keeps it: a JSON text that only the core reads (ADR 0015).

What a statement looks for is a column; all else of the rule stands here, so that a new kind of rule is no migration.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tidewheel_common.core.calendar import Calendar, Days
from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.misfire import Misfire, MisfirePolicy
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.recurrence import Recurrence
from tidewheel_common.core.solar import Solar

EMPTY = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a schedule takes its turns, and what it does with those that it could not take in time.

    Attributes:
        plan: its nominal times.
        misfire: what becomes of times that the scheduler could not take on time.
        max_fires: how often it fires.
        expires_after: seconds after which a task of it that has not started expires.
    """

    plan: Plan
    misfire: MisfirePolicy
    max_fires: int | None
    expires_after: float | None = None

    def expires_at(self, since: datetime) -> datetime | None:
        """Return when a task expires that may start since an instant; None: never."""
        return None if self.expires_after is None else since + timedelta(seconds=self.expires_after)


def read_rule(*, every: float | None, cron: str | None, timezone: str, starts_at: datetime, rule: str) -> Rule:
    """Read a rule from a schedule's columns.

    Raises:
        InvalidSchedule: no clock can follow it.
    """
    try:
        parts: Mapping[str, Any] = json.loads(rule)
        specs = parts.get("specs") or [{"every": every, "cron": cron}]
        dst = _read_dst(parts.get("dst") or {})
        recurrences = tuple(read_recurrence(spec, timezone=timezone, starts_at=starts_at, dst=dst) for spec in specs)
        ends_at = parts.get("ends_at")
        return Rule(
            plan=Plan(
                recurrences=recurrences,
                starts_at=starts_at,
                ends_at=None if ends_at is None else datetime.fromisoformat(ends_at),
                calendars=tuple(_read_calendar(each) for each in parts.get("exclusions") or ()),
                jitter=parts.get("jitter") or 0.0,
            ),
            misfire=_read_misfire(parts.get("misfire") or {}),
            max_fires=parts.get("max_fires"),
            expires_after=parts.get("expires_after"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidSchedule(f"The rule cannot be read ({type(error).__name__}).") from None


def read_recurrence(spec: Mapping[str, Any], *, timezone: str, starts_at: datetime, dst: Dst) -> Recurrence:
    """Read one of a rule's specs.

    Raises:
        InvalidSchedule: no clock can follow it.
    """
    sun = spec.get("solar")
    return Recurrence(
        anchor=starts_at,
        every=spec.get("every"),
        cron=spec.get("cron"),
        rrule=spec.get("rrule"),
        solar=None if sun is None else Solar(**sun),
        timezone=timezone,
        dst=dst,
    )


def _read_dst(given: Mapping[str, Any]) -> Dst:
    gap, overlap = given.get("gap"), given.get("overlap")
    return Dst(gap=None if gap is None else Gap(gap), overlap=None if overlap is None else Overlap(overlap))


def _read_calendar(given: Mapping[str, Any]) -> Calendar:
    single = [(day, day) for day in given.get("dates") or ()]
    spans = [(span["first"], span["last"]) for span in given.get("ranges") or ()]
    days = tuple(Days(date.fromisoformat(first), date.fromisoformat(last)) for first, last in (*single, *spans))
    return Calendar(name=given.get("name"), days=days)


def _read_misfire(given: Mapping[str, Any]) -> MisfirePolicy:
    default = MisfirePolicy()
    return MisfirePolicy(
        policy=Misfire(given.get("policy", default.policy)),
        limit=given.get("limit", default.limit),
        grace=given.get("grace"),
    )
