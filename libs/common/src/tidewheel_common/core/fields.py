"""The kinds of fields that tasks and schedules share, each with its limits."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from tidewheel_common.core.task import Priority

TEN_YEARS: Final = 315_576_000.0
"""Seconds; no duration is longer and no task is scheduled further ahead."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_EXAMPLE = "2026-12-01T09:00:00+01:00"


class Strict(BaseModel):
    """A body of the API: unknown fields are refused, and no error repeats what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _read_instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("instant_type", f"Write the time as text, such as {_EXAMPLE}")
    found = _RFC3339.fullmatch(value)
    if found is None:
        raise PydanticCustomError("instant_format", f"Write the time as in RFC 3339, such as {_EXAMPLE}")
    if found["offset"] is None:
        raise PydanticCustomError("naive_time", f"The time has no offset; write it like {_EXAMPLE}")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("instant_value", "There is no such time in the calendar") from None


@dataclass(frozen=True, slots=True)
class Sibling:
    """A parent in the same batch, by its place there."""

    index: int


def _read_parent(value: object) -> UUID | Sibling:
    match value:
        case str() if _UUID.fullmatch(value):
            return UUID(value)
        case {"index": int(index), **rest} if not rest and index >= 0 and not isinstance(index, bool):
            return Sibling(index)
        case _:
            raise PydanticCustomError(
                "parent", 'Name a parent by its id, or by its place in the same batch: {{"index": 0}}'
            )


Parent = Annotated[
    UUID | Sibling,
    PlainValidator(_read_parent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "uuid"},
                {
                    "type": "object",
                    "properties": {"index": {"type": "integer", "minimum": 0}},
                    "required": ["index"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A task that another one waits for: its id, or `{"index": n}` for item `n` of the same batch, counted from 0."""

ParentFailureWord = Literal["cancel", "run", "block"]

Instant = Annotated[
    datetime,
    PlainValidator(_read_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [_EXAMPLE]}),
]
"""A point in time, RFC 3339 with an offset; kept in UTC."""

Duration = Annotated[float, Field(strict=True, ge=0, le=TEN_YEARS, allow_inf_nan=False)]
"""Seconds."""

Timeout = Annotated[float, Field(strict=True, gt=0, le=TEN_YEARS, allow_inf_nan=False)]
"""Seconds that one attempt may run."""

Attempts = Annotated[int, Field(strict=True, ge=1, le=1000)]

Handler = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.:-]{1,200}$")]

Queue = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]

# Control characters are refused, so that one of them may part the tags on their way into PostgreSQL.
Tag = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]

Tags = Annotated[tuple[Tag, ...], Field(max_length=20)]

UniqueKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]

Payload = Annotated[dict[str, Any], Field(description="A JSON object of at most 256 KiB: the handler's arguments.")]

PriorityWord = Literal["high", "medium", "low"]

DeliveryWord = Literal["at_least_once", "at_most_once"]


class Backoff(Strict):
    """How far apart a failing task is tried: `min(max, initial * factor^(failures - 1))` seconds, give or take."""

    initial: Duration = 2.0
    factor: Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)] = 2.0
    max: Duration = 3600.0
    jitter: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = Field(
        0.1, description="How much of each wait is spread at random, from 0 to 1."
    )


PRIORITIES: Final[dict[str, int]] = {priority.word: int(priority) for priority in Priority}
"""The number that stands for each word in the database."""

PRIORITY_WORDS: Final[tuple[str, ...]] = tuple(priority.word for priority in Priority)
"""The words, by their numbers."""
