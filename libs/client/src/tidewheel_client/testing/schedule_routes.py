"""The calls about schedules that the fake serves; each function has the name of its operation."""

from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from tidewheel_client.testing.asked import Answer, Asked, page
from tidewheel_client.testing.schedules import FakeSchedule
from tidewheel_common.core.describe import describe
from tidewheel_common.core.plan import Plan


def create_schedule(asked: Asked) -> Answer:
    """Keep a schedule."""
    return _shown(asked.schedules.create(asked.body), status=201)


def list_schedules(asked: Asked) -> Answer:
    """List schedules."""
    shown = [each.summary() for each in reversed(asked.schedules.all.values())]
    wanted = {name: asked.params[name] for name in ("managed_by", "name") if name in asked.params}
    return page(asked, [each for each in shown if wanted.items() <= each.items()])


def get_schedule(asked: Asked) -> Answer:
    """Read a schedule."""
    return _shown(asked.schedule)


def edit_schedule(asked: Asked) -> Answer:
    """Change a schedule."""
    schedule = asked.schedule
    asked.schedules.change(schedule, asked.body)
    return _shown(schedule)


def delete_schedule(asked: Asked) -> Answer:
    """Delete a schedule."""
    del asked.schedules.all[asked.schedule.id]
    return 204, {}, None


def pause_schedule(asked: Asked) -> Answer:
    """Stop a schedule until it is resumed, or until a time."""
    schedule = asked.schedule
    until = asked.params.get("until")
    asked.schedules.pause(
        schedule, None if until is None else datetime.fromisoformat(until), asked.params.get("reason")
    )
    return _shown(schedule)


def resume_schedule(asked: Asked) -> Answer:
    """Let a schedule go on."""
    schedule = asked.schedule
    asked.schedules.resume(schedule)
    return _shown(schedule)


def trigger_schedule(asked: Asked) -> Answer:
    """Fire a schedule now."""
    task = asked.schedules.fire(asked.schedule, asked.now, reason="A caller triggered it.")
    return 201, {}, {"nominal_at": asked.now, "task_id": task.id}


def backfill_schedule(asked: Asked) -> Answer:
    """Fire a schedule for the times of a range that has passed."""
    first, last = (datetime.fromisoformat(asked.body[name]) for name in ("first", "last"))
    made = asked.schedules.backfill(asked.schedule, first, last)
    return 200, {}, {"data": [{"nominal_at": task.nominal_at, "task_id": task.id} for task in made]}


def skip_next_fire(asked: Asked) -> Answer:
    """Skip the next time of a schedule."""
    schedule = asked.schedule
    asked.schedules.skip_next(schedule)
    return _shown(schedule)


def preview_schedule(asked: Asked) -> Answer:
    """Show when a schedule fires next."""
    schedule = asked.schedule
    after = (schedule.next_run_at or schedule.paused_until or asked.now) - timedelta(microseconds=1)
    return _preview(asked.schedules.plan_of(schedule.fields, schedule.starts_at), after, int(asked.params["count"]))


def preview_rule(asked: Asked) -> Answer:
    """Show when a rule would fire."""
    after = datetime.fromisoformat(asked.body["after"]) if asked.body.get("after") else asked.now
    starts_at = datetime.fromisoformat(asked.body["starts_at"]) if asked.body.get("starts_at") else after
    return _preview(asked.schedules.plan_of(asked.body, starts_at), after, asked.body.get("count", 10))


def _preview(plan: Plan, after: datetime, count: int) -> Answer:
    zone = ZoneInfo(plan.recurrences[0].timezone)
    shown = [
        {
            "at": time,
            "local": time.astimezone(zone).isoformat(),
            "excluded": plan.excluded(time),
            "change": plan.change_at(time),
        }
        for time in islice(plan.times_after(after), count)
    ]
    return 200, {}, {"description": describe(plan), "data": shown}


def list_fires(asked: Asked) -> Answer:
    """Read the ledger of a schedule."""
    return page(asked, asked.schedule.fires)


def _shown(schedule: FakeSchedule, *, status: int = 200) -> Answer:
    return status, {"ETag": schedule.etag}, schedule.view()
