"""What the service says of the schedules of a file: those that there are, and what each rule means."""

from collections.abc import Mapping
from typing import Any

from tidewheel_cli.schedules.entry import RULE
from tidewheel_cli.schedules.file import BadFile, ScheduleFile
from tidewheel_cli.schedules.plan import Kind, Plan
from tidewheel_client import ApiError, AsyncClient, FieldError
from tidewheel_client.models import ScheduleSummary

_WRONG = 422


async def find_schedules(client: AsyncClient, file: ScheduleFile) -> list[Mapping[str, Any]]:
    """Return the schedules of a file, and those of others that have a name from it."""
    own = {each.name: each async for each in client.schedules.list(managed_by=file.managed_by, limit=200)}
    # Only payloads are missing from a list, and only those in the file are compared.
    found: list[ScheduleSummary] = [
        await client.schedules.get(each) if name in file.entries else each for name, each in own.items()
    ]
    for name in file.entries.keys() - own.keys():
        found.extend([each async for each in client.schedules.list(name=name)])
    return [each.model_dump(mode="json") for each in found]


async def explain_rules(client: AsyncClient, file: ScheduleFile, plan: Plan) -> dict[str, str]:
    """Return in words when each schedule fires that is to be created or changed, by name.

    Raises:
        BadFile: there are rules that no clock can follow.
    """
    words: dict[str, str] = {}
    faults: list[str] = []
    for name in [step.name for step in plan.steps if step.kind in {Kind.CREATE, Kind.CHANGE}]:
        body = file.entries[name].body()
        rule = {field: body[field] for field in RULE if field in body}
        try:
            words[name] = (await client.schedules.preview_rule(**rule, count=1)).description
        except ApiError as error:
            if error.status != _WRONG:
                raise
            faults.extend(name_faults(file, name, error))
    if faults:
        raise BadFile("\n".join(faults))
    return words


def name_faults(file: ScheduleFile, name: str, error: ApiError) -> list[str]:
    """Return what the service has refused about an entry, each with its line in the file."""
    if not error.errors:
        return [file.fault(("schedules", name), error.detail)]
    return [file.fault(("schedules", name, *_keys(each)), each.detail) for each in error.errors]


def _keys(fault: FieldError) -> list[str | int]:
    parts = [part for part in (fault.pointer or "").split("/") if part]
    return [int(part) if part.isdecimal() else part for part in parts]
