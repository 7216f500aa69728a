"""Does what a plan says, step by step. A step that is refused keeps none of the others from being done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

from tidewheel_cli.schedules.file import ScheduleFile
from tidewheel_cli.schedules.plan import Kind, Plan, Step
from tidewheel_cli.schedules.service import name_faults
from tidewheel_client import ApiError, AsyncClient, Unreachable

_MET = frozenset({404, 409, 412})
"""What a call is refused with when somebody else was here since the plan was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a step; `refused` says why it was not done, None when it was."""

    step: Step
    refused: str | None = None


class _Seen(NamedTuple):
    """A schedule as this plan has seen or left it."""

    id: str | None
    etag: str | None


async def apply_plan(
    client: AsyncClient, file: ScheduleFile, plan: Plan, *, tell: Callable[[Result], None]
) -> list[Result]:
    """Make the service agree with the file; each edit only if nobody has changed what the plan has seen.

    Args:
        client: how the service is reached.
        file: where the plan comes from, to name lines.
        plan: what to do.
        tell: called with each result as it comes.
    """
    results: list[Result] = []
    known: dict[str, _Seen] = {}
    stopped: str | None = None
    for step in plan.steps:
        result = Result(step=step, refused=stopped or await _try(client, file, step, known))
        if result.refused is not None and result.refused.startswith(_AWAY):
            stopped = f"{_AWAY} before."
        results.append(result)
        tell(result)
    return results


_AWAY = "The service could not be reached"


async def _try(client: AsyncClient, file: ScheduleFile, step: Step, known: dict[str, _Seen]) -> str | None:
    """Do a step; return why it was refused, None when it was done."""
    schedule = known.get(step.name, _Seen(step.schedule_id, step.etag))
    if schedule.id is None and step.kind is not Kind.CREATE:
        return "It was not created."
    try:
        known[step.name] = await _do(client, step, str(schedule.id), schedule.etag)
    except Unreachable as error:
        return f"{_AWAY}: {error}"
    except ApiError as error:
        if error.status in _MET:
            return f"Somebody has changed it since the plan was made: {error.detail} Make a new plan."
        return " ".join(name_faults(file, step.name, error))
    return None


async def _do(client: AsyncClient, step: Step, schedule_id: str, etag: str | None) -> _Seen:
    body: Any = step.body or {}
    match step.kind:
        case Kind.CREATE:
            made = await client.schedules.create(step.name, **body)
        case Kind.CHANGE:
            made = await client.schedules.edit(schedule_id, etag=etag, **body)
        case Kind.PAUSE:
            made = await client.schedules.pause(schedule_id, reason=step.reason, etag=etag)
        case Kind.RESUME:
            made = await client.schedules.resume(schedule_id, etag=etag)
        case Kind.DELETE:
            await client.schedules.delete(schedule_id, etag=etag)
            return _Seen(None, None)
        case _:
            assert_never(step.kind)
    return _Seen(str(made.id), made.etag)
