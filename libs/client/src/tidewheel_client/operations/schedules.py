"""The operations on recurring schedules."""

from dataclasses import replace
from typing import Unpack

from tidewheel_client.call import Call, Listing, listing, many, nothing, one
from tidewheel_client.models import Fire, Fired, Preview, Schedule, ScheduleSummary
from tidewheel_client.options import RulePreview, ScheduleChanges, ScheduleFilter, ScheduleOptions
from tidewheel_client.values import Id, Instant, Payload, path_of, wire


def create_schedule(
    name: str,
    handler: str,
    payload: Payload = None,
    *,
    idempotency_key: str | None = None,
    **options: Unpack[ScheduleOptions],
) -> Call[Schedule]:
    """Keep a recurring schedule under a name of its own; it fires for the first time at the next time after now."""
    body = wire({**options, "name": name, "handler": handler, "payload": payload})
    given = {field: value for field, value in body.items() if value is not None}
    return Call(method="POST", path="/v1/schedules", body=given, keyed=True, key=idempotency_key, read=one(Schedule))


def list_schedules(**filters: Unpack[ScheduleFilter]) -> Listing[ScheduleSummary]:
    """Iterate over schedules, the newest first."""
    return listing("/v1/schedules", ScheduleSummary, filters)


def get_schedule(schedule_id: Id) -> Call[Schedule]:
    """Read a schedule with its payload."""
    return Call(method="GET", path=_path(schedule_id), read=one(Schedule))


def edit_schedule(schedule_id: Id, *, etag: str | None = None, **changes: Unpack[ScheduleChanges]) -> Call[Schedule]:
    """Change a schedule; with the `etag` of what was read, only when nobody has changed it since."""
    call = Call(method="PATCH", path=_path(schedule_id), body=wire(changes), read=one(Schedule))
    return _matching(call, etag)


def delete_schedule(schedule_id: Id, *, etag: str | None = None) -> Call[None]:
    """Delete a schedule; what it has fired goes on."""
    headers = {} if etag is None else {"If-Match": etag}
    return Call(method="DELETE", path=_path(schedule_id), headers=headers, read=nothing)


def pause_schedule(
    schedule_id: Id, *, until: Instant | None = None, reason: str | None = None, etag: str | None = None
) -> Call[Schedule]:
    """Stop a schedule from firing until it is resumed, or until a time; `reason` is for whoever finds it paused."""
    params = {name: value for name, value in wire({"until": until, "reason": reason}).items() if value is not None}
    call = Call(method="POST", path=f"{_path(schedule_id)}:pause", params=params, read=one(Schedule))
    return _matching(call, etag)


def resume_schedule(schedule_id: Id, *, etag: str | None = None) -> Call[Schedule]:
    """Let a schedule fire again, from its next time on."""
    return _matching(Call(method="POST", path=f"{_path(schedule_id)}:resume", read=one(Schedule)), etag)


def trigger_schedule(schedule_id: Id, *, idempotency_key: str | None = None) -> Call[Fired]:
    """Fire a schedule now, also a paused one; return which task that made."""
    path = f"{_path(schedule_id)}:trigger"
    return Call(method="POST", path=path, keyed=True, key=idempotency_key, read=one(Fired))


def backfill_schedule(schedule_id: Id, first: Instant, last: Instant) -> Call[list[Fired]]:
    """Fire a schedule for the times of a range that has passed; repeating it fires nothing twice."""
    body = wire({"first": first, "last": last})
    return Call(method="POST", path=f"{_path(schedule_id)}:backfill", body=body, read=many(Fired))


def skip_next_fire(schedule_id: Id, *, etag: str | None = None, idempotency_key: str | None = None) -> Call[Schedule]:
    """Skip the next time of a schedule, and only that."""
    path = f"{_path(schedule_id)}:skip-next"
    return _matching(Call(method="POST", path=path, keyed=True, key=idempotency_key, read=one(Schedule)), etag)


def list_fires(schedule_id: Id) -> Listing[Fire]:
    """Iterate over what became of each nominal time of a schedule, the latest first."""
    return listing(f"{_path(schedule_id)}/fires", Fire)


def preview_rule(**rule: Unpack[RulePreview]) -> Call[Preview]:
    """Read when a rule would fire, and what it says in words; nothing is stored."""
    return Call(method="POST", path="/v1/schedules/preview", body=wire(rule), read=one(Preview))


def preview_schedule(schedule_id: Id, *, count: int = 10) -> Call[Preview]:
    """Read the next times of a schedule, and what it says in words."""
    return Call(method="GET", path=f"{_path(schedule_id)}/preview", params={"count": count}, read=one(Preview))


def _path(schedule_id: Id) -> str:
    return f"/v1/schedules/{path_of(schedule_id)}"


def _matching(call: Call[Schedule], etag: str | None) -> Call[Schedule]:
    if etag is None:
        return call
    # A second try would meet the change that the first one made.
    return replace(call, headers={"If-Match": etag}, repeatable=False)
