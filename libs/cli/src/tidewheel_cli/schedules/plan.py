"""What has to be done so that the service agrees with a file: the decision, without any I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidewheel_cli.schedules.entry import Entry
from tidewheel_cli.schedules.file import ScheduleFile

HIDDEN = "(hidden)"
"""Stands for a value of a payload: payloads are sealed, and a plan ends up in logs."""

_INSTANTS = frozenset({"starts_at", "ends_at"})


class Kind(StrEnum):
    """What is done to a schedule."""

    CREATE = "create"
    CHANGE = "change"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that is not as the file says."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call to make.

    Attributes:
        kind: what is done.
        name: to which schedule.
        schedule_id: its id, once there is one.
        etag: of what was read; the call is refused when it has changed since.
        body: what is sent, for `create` and `change`.
        differences: for whoever reads the plan.
        reason: why it is paused.
    """

    kind: Kind
    name: str
    schedule_id: str | None = None
    etag: str | None = None
    body: Mapping[str, Any] | None = None
    differences: tuple[Difference, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps in their order.

    Attributes:
        managed_by: whose schedules these are.
        steps: what is to be done.
        conflicts: names in the file that somebody else's schedules have, each with a sentence; they are not touched.
        unchanged: how many schedules are as the file says.
    """

    managed_by: str
    steps: tuple[Step, ...]
    conflicts: Mapping[str, str]
    unchanged: int


def make_plan(file: ScheduleFile, existing: Sequence[Mapping[str, Any]], *, delete: bool) -> Plan:
    """Compare a file with the schedules that there are.

    Args:
        file: what is wanted.
        existing: this file's schedules and those with a name from it, as the API shows them with their payload.
        delete: whether schedules that are gone from the file are deleted; without it they are paused.
    """
    by_name = {schedule["name"]: schedule for schedule in existing}
    own = {name: each for name, each in by_name.items() if each["managed_by"] == file.managed_by}
    steps: list[Step] = []
    unchanged = 0
    for name, entry in file.entries.items():
        if name not in by_name:
            steps.extend(_creation(file.managed_by, name, entry))
        elif name in own:
            found = list(_alteration(file.managed_by, entry, own[name]))
            steps.extend(found)
            unchanged += not found
    for name in sorted(own.keys() - file.entries.keys()):
        steps.extend(_removal(file.managed_by, own[name], delete=delete))
    foreign = sorted((by_name.keys() - own.keys()) & file.entries.keys())
    return Plan(
        managed_by=file.managed_by,
        steps=tuple(steps),
        conflicts={name: _foreign(by_name[name]) for name in foreign},
        unchanged=unchanged,
    )


def _foreign(schedule: Mapping[str, Any]) -> str:
    owner = schedule["managed_by"]
    whose = f"is kept by the file of {owner!r}" if owner else "was not made by this file"
    return f"A schedule of this name {whose}; rename one of the two, or set its `managed_by` by a PATCH."


def _creation(owner: str, name: str, entry: Entry) -> Iterator[Step]:
    body = {**entry.body(), "managed_by": owner}
    said = entry.model_dump(mode="json", exclude_unset=True, exclude={"payload", "paused"})
    differences = tuple(Difference(field=field, before=None, after=value) for field, value in said.items())
    yield Step(kind=Kind.CREATE, name=name, body=body, differences=differences)
    if entry.paused:
        yield Step(kind=Kind.PAUSE, name=name, reason=_reason(owner, "it is paused there"))


def _alteration(owner: str, entry: Entry, schedule: Mapping[str, Any]) -> Iterator[Step]:
    wanted = entry.body()
    changed = {field: value for field, value in wanted.items() if not _same(field, schedule[field], value)}
    at = {"name": schedule["name"], "schedule_id": schedule["id"], "etag": schedule["etag"]}
    if changed:
        differences = tuple(each for field in changed for each in _differences(field, schedule[field], wanted[field]))
        yield Step(kind=Kind.CHANGE, body=changed, differences=differences, **at)
    paused = schedule["paused_at"] is not None
    if entry.paused and not (paused and schedule["paused_until"] is None):
        yield Step(kind=Kind.PAUSE, reason=_reason(owner, "it is paused there"), **at)
    elif paused and (entry.paused is False or (entry.paused is None and _is_ours(owner, schedule))):
        yield Step(kind=Kind.RESUME, **at)


def _removal(owner: str, schedule: Mapping[str, Any], *, delete: bool) -> Iterator[Step]:
    at = {"name": schedule["name"], "schedule_id": schedule["id"], "etag": schedule["etag"]}
    still = schedule["ended_at"] is not None or (schedule["paused_at"] is not None and schedule["paused_until"] is None)
    if delete:
        yield Step(kind=Kind.DELETE, **at)
    elif not still:
        yield Step(kind=Kind.PAUSE, reason=_reason(owner, "it is gone from there"), **at)


def _reason(owner: str, why: str) -> str:
    return f"{_mark(owner)}: {why}."


def _mark(owner: str) -> str:
    return f"By the schedules file of {owner!r}"


def _is_ours(owner: str, schedule: Mapping[str, Any]) -> bool:
    return str(schedule["pause_reason"] or "").startswith(f"{_mark(owner)}:")


def _same(field: str, before: Any, after: Any) -> bool:
    if field in _INSTANTS and before is not None and after is not None:
        return datetime.fromisoformat(before) == datetime.fromisoformat(after)
    return bool(_said(before) == _said(after)) if field != "payload" else bool(before == after)


def _said(value: Any) -> Any:
    """Return a value without the keys that say nothing, so that a new key of the API is no difference."""
    if isinstance(value, Mapping):
        return {key: _said(each) for key, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


def _differences(field: str, before: Any, after: Any) -> Iterator[Difference]:
    if field != "payload":
        yield Difference(field=field, before=before, after=after)
        return
    known = before or {}
    for key in sorted(known.keys() | after.keys()):
        if (key in known, known.get(key)) != (key in after, after.get(key)):
            shown = [HIDDEN if key in side else None for side in (known, after)]
            yield Difference(field=f"payload.{key}", before=shown[0], after=shown[1])
