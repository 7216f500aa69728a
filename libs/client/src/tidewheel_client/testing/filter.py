"""Which tasks a filter means, as lists and bulk operations have it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidewheel_client.testing.tasks import FakeTask


def matches(task: FakeTask, wanted: Mapping[str, Any]) -> bool:
    """Return whether a filter means a task."""
    states, after, before = wanted.get("state"), wanted.get("created_after"), wanted.get("created_before")
    return (
        (not states or task.state in ([states] if isinstance(states, str) else states))
        and all(wanted.get(name) in {None, task.spec[name]} for name in ("queue", "handler"))
        and all(wanted.get(name) in {None, getattr(task, name)} for name in ("error_type", "reason"))
        and wanted.get("tag") in {None, *task.spec["tags"]}
        and wanted.get("schedule") in {None, str(task.schedule_id)}
        and (after is None or task.created_at >= datetime.fromisoformat(after))
        and (before is None or task.created_at < datetime.fromisoformat(before))
    )
