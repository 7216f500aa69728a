"""Does what a plan says, step by step. A step that is refused keeps none of the others from being done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from tidewheel_cli.schedules.file import ScheduleFile
from tidewheel_cli.schedules.plan import Kind, Plan, Step
from tidewheel_cli.schedules.service import name_faults
from tidewheel_client import ApiError, Client, Unreachable

_MET = frozenset({404, 409, 412})
"""What a call is refused with when somebody else was here since the plan was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a step; `refused` says why it was not done, None when it was."""

    step: Step
    refused: str | None = None


async def apply_plan(client: Client, file: ScheduleFile, plan: Plan, *, tell: Callable[[Result], None]) -> list[Result]:
    """Make the service agree with the file; each edit only if nobody has changed what the plan has seen.

    Args:
        client: how the service is reached.
        file: where the plan comes from, to name lines.
        plan: what to do.
        tell: called with each result as it comes.
    """
    results: list[Result] = []
    known: dict[str, dict[str, Any]] = {}
    stopped: str | None = None
    for step in plan.steps:
        result = Result(step=step, refused=stopped or await _try(client, file, step, known))
        if result.refused is not None and result.refused.startswith(_AWAY):
            stopped = f"{_AWAY} before."
        results.append(result)
        tell(result)
    return results


_AWAY = "The service could not be reached"


async def _try(client: Client, file: ScheduleFile, step: Step, known: dict[str, dict[str, Any]]) -> str | None:
    """Do a step; return why it was refused, None when it was done."""
    schedule = known.get(step.name, {"id": step.schedule_id, "etag": step.etag})
    if schedule["id"] is None and step.kind is not Kind.CREATE:
        return "It was not created."
    try:
        known[step.name] = await _do(client, step, str(schedule["id"]), schedule["etag"])
    except Unreachable as error:
        return f"{_AWAY}: {error}"
    except ApiError as error:
        if error.status in _MET:
            return f"Somebody has changed it since the plan was made: {error.detail} Make a new plan."
        return " ".join(name_faults(file, step.name, error))
    return None


async def _do(client: Client, step: Step, schedule_id: str, etag: str | None) -> dict[str, Any]:
    match step.kind:
        case Kind.CREATE:
            return await client.create_schedule(step.name, **(step.body or {}))
        case Kind.CHANGE:
            return await client.edit_schedule(schedule_id, etag=etag, **(step.body or {}))
        case Kind.PAUSE:
            return await client.pause_schedule(schedule_id, reason=step.reason, etag=etag)
        case Kind.RESUME:
            return await client.resume_schedule(schedule_id, etag=etag)
        case Kind.DELETE:
            await client.delete_schedule(schedule_id, etag=etag)
            return {}
        case _:
            assert_never(step.kind)
