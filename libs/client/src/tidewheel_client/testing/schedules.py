"""The schedules of the fake: planned by the service's own rules, fired when its time is moved."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final, get_type_hints
from uuid import UUID, uuid4

from pydantic_core import to_json

from tidewheel_client.models import ScheduleSummary
from tidewheel_client.options import ScheduleChanges
from tidewheel_client.testing.refusal import Refusal, invalid, not_found
from tidewheel_client.testing.tasks import FakeTask, FakeTasks
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.fault import Fault
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.rule import Rule, read_rule

_RULE: Final = ("specs", "dst", "exclusions", "ends_at", "max_fires", "jitter", "misfire")

_SHARED: Final = frozenset(
    {"handler", "queue", "priority", "timeout", "max_attempts", "backoff", "removal_delay", "delivery", "tags"}
)
"""The fields that a schedule's tasks have too."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "every": None, "cron": None, "timezone": "UTC", "specs": None, "dst": {"gap": None, "overlap": None},
    "exclusions": [], "ends_at": None, "max_fires": None, "jitter": 0.0, "overlap": "allow",
    "expires_after": None, "managed_by": None,
    "misfire": {"policy": "latest", "limit": 100, "grace": None},
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class FakeSchedule:
    """A schedule; the fields are those of the API."""

    id: UUID
    fields: dict[str, Any]
    template: Mapping[str, Any]
    payload: dict[str, Any]
    starts_at: datetime
    created_at: datetime
    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    ended_at: datetime | None = None
    pause_reason: str | None = None
    fired: int = 0
    failures: int = 0
    version: int = 0
    fires: list[dict[str, Any]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """What names this version of it."""
        return f'"{self.id}-{self.version}"'

    def summary(self) -> dict[str, Any]:
        """Return the schedule as a list shows it."""
        own = {name: getattr(self, name, None) for name in ScheduleSummary.model_fields}
        shared = {name: value for name, value in {**self.template, **_DEFAULTS, **self.fields}.items() if name in own}
        named = {"starts_at": self.starts_at, "source": "api", "updated_at": self.created_at}
        return {**own, **shared, **named}

    def view(self) -> dict[str, Any]:
        """Return the schedule with its payload."""
        return {**self.summary(), "payload": self.payload, "unreadable": {}}


class FakeSchedules:
    """Keeps schedules and fires them into the tasks.

    Args:
        tasks: where fires go.
        clock: tells the fake's time.
    """

    def __init__(self, tasks: FakeTasks, clock: Callable[[], datetime]) -> None:
        self.all: dict[UUID, FakeSchedule] = {}
        self._tasks = tasks
        self._clock = clock

    def create(self, document: Any) -> FakeSchedule:
        """Keep a schedule.

        Raises:
            Refusal: it is not as it must be, or its name is taken.
        """
        given = dict(document)
        if not given.get("name"):
            raise invalid([Fault(code="missing", pointer="/name", detail="This field is required.")])
        if any(other.fields["name"] == given["name"] for other in self.all.values()):
            raise Refusal(409, "name_taken", "Another schedule has this name.")
        now = self._clock()
        schedule = FakeSchedule(
            id=uuid4(),
            fields={},
            template={},
            payload={},
            starts_at=_time(given.get("starts_at")) or now,
            created_at=now,
        )
        self.change(schedule, given)
        self.all[schedule.id] = schedule
        return schedule

    def change(self, schedule: FakeSchedule, changes: Mapping[str, Any]) -> None:
        """Change a schedule and plan it anew.

        Raises:
            Refusal: the changes are not as they must be.
        """
        fields = {**schedule.fields, **changes}
        if form := next((name for name in ("every", "cron", "specs") if changes.get(name) is not None), None):
            fields |= {name: None for name in ("every", "cron", "specs") if name != form}
        unknown = sorted(fields.keys() - get_type_hints(ScheduleChanges).keys())
        if unknown:
            detail = "There is no such field."
            raise invalid([Fault(code="extra_forbidden", pointer=f"/{name}", detail=detail) for name in unknown])
        like_task = {name: value for name, value in fields.items() if name in _SHARED}
        candidate = self._tasks.read({**like_task, "payload": fields.get("payload") or {}})
        self._rule(fields, schedule.starts_at)
        schedule.fields = fields
        schedule.template = candidate.spec.model_dump()
        schedule.payload = candidate.spec.payload
        schedule.version += 1
        self.plan(schedule)

    def plan(self, schedule: FakeSchedule) -> None:
        """Work out the next time of a schedule.

        Raises:
            Refusal: no clock can follow its rule.
        """
        schedule.next_run_at = None if schedule.paused_at else self._rule_of(schedule).plan.next_after(self._clock())

    def pause(self, schedule: FakeSchedule, until: datetime | None, reason: str | None) -> None:
        """Stop a schedule, until a time or until it is resumed.

        Raises:
            Refusal: the time has passed.
        """
        if until is not None and until <= self._clock():
            raise invalid([Fault(code="in_the_past", parameter="until", detail="This time has passed already.")])
        schedule.paused_at = schedule.paused_at or self._clock()
        schedule.paused_until, schedule.pause_reason = until, reason
        schedule.version += 1
        self.plan(schedule)

    def resume(self, schedule: FakeSchedule) -> None:
        """Let a schedule go on, from its next time."""
        schedule.paused_at = schedule.paused_until = schedule.pause_reason = None
        schedule.version += 1
        self.plan(schedule)

    def skip_next(self, schedule: FakeSchedule) -> None:
        """Skip the next time of a schedule.

        Raises:
            Refusal: it has none.
        """
        nominal = schedule.next_run_at
        if nominal is None:
            detail = "The schedule is paused or has ended: it has no next time."
            raise Refusal(409, "nothing_to_skip", detail)
        entry = {"nominal_at": nominal, "outcome": "skipped", "reason": "A caller skipped it.", "task_id": None}
        schedule.fires.insert(0, {**entry, "recorded_at": self._clock()})
        schedule.next_run_at = self._following(schedule, nominal)
        schedule.version += 1

    def backfill(self, schedule: FakeSchedule, first: datetime, last: datetime) -> list[FakeTask]:
        """Fire a schedule for the times of a range that have no task yet.

        Raises:
            Refusal: the range has not passed, or ends before it begins.
        """
        if last > self._clock():
            raise invalid([Fault(code="in_the_future", pointer="/last", detail="This time has not passed yet.")])
        if last < first:
            raise invalid([Fault(code="ends_too_early", pointer="/last", detail="It is before `first`.")])
        plan = self._rule_of(schedule).plan
        plan = replace(plan, starts_at=min(plan.starts_at, first))
        done = {entry["nominal_at"] for entry in schedule.fires if entry["task_id"] is not None}
        times = takewhile(lambda time: time <= last, plan.times_after(first - timedelta(microseconds=1)))
        missed = [time for time in times if time not in done and plan.excluded(time) is None]
        return [self.fire(schedule, nominal, reason="A caller backfilled it.") for nominal in missed]

    def plan_of(self, fields: Mapping[str, Any], starts_at: datetime) -> Plan:
        """Return the times of a rule.

        Raises:
            Refusal: no clock can follow it.
        """
        return self._rule(fields, starts_at).plan

    def find(self, schedule_id: str) -> FakeSchedule:
        """Return a schedule.

        Raises:
            Refusal: it is not there.
        """
        try:
            return self.all[UUID(schedule_id)]
        except (KeyError, ValueError):
            raise not_found() from None

    def fire_due(self) -> None:
        """Fire what is due; each due time once."""
        for schedule in self.all.values():
            if schedule.paused_until is not None and schedule.paused_until <= self._clock():
                self.resume(schedule)
            while schedule.next_run_at is not None and schedule.next_run_at <= self._clock():
                nominal = schedule.next_run_at
                self.fire(schedule, nominal, reason="It was due.")
                schedule.fired += 1
                schedule.last_run_at = nominal
                schedule.next_run_at = self._following(schedule, nominal)

    def fire(self, schedule: FakeSchedule, nominal: datetime, *, reason: str) -> FakeTask:
        """Make the task of one nominal time."""
        task = FakeTask(
            id=uuid4(),
            spec=schedule.template,
            payload=schedule.payload,
            state="ready",
            run_at=nominal,
            created_at=self._clock(),
            schedule_id=schedule.id,
            nominal_at=nominal,
        )
        self._tasks.add(task)
        entry = {"nominal_at": nominal, "outcome": "fired", "reason": reason, "task_id": task.id}
        schedule.fires.insert(0, {**entry, "recorded_at": self._clock()})
        return task

    def moments(self) -> Iterator[datetime]:
        """Yield the times at which schedules are due, or go on."""
        return (
            time for each in self.all.values() for time in (each.next_run_at, each.paused_until) if time is not None
        )

    def _following(self, schedule: FakeSchedule, nominal: datetime) -> datetime | None:
        rule = self._rule_of(schedule)
        if rule.max_fires is not None and schedule.fired >= rule.max_fires:
            return None
        return rule.plan.next_after(nominal)

    def _rule_of(self, schedule: FakeSchedule) -> Rule:
        return self._rule(schedule.fields, schedule.starts_at)

    def _rule(self, fields: Mapping[str, Any], starts_at: datetime) -> Rule:
        if sum(fields.get(name) is not None for name in ("every", "cron", "specs")) != 1:
            detail = "Give `every`, `cron` or `specs`: exactly one of them."
            raise invalid([Fault(code="one_rule", pointer="/cron", detail=detail)])
        rule = to_json({name: fields[name] for name in _RULE if fields.get(name) is not None}).decode()
        try:
            return read_rule(
                every=fields.get("every"),
                cron=fields.get("cron"),
                timezone=fields.get("timezone", "UTC"),
                starts_at=starts_at,
                rule=rule,
            )
        except InvalidSchedule as error:
            raise invalid([Fault(code="invalid_cron", pointer="/cron", detail=str(error))]) from None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
