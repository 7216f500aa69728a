"""The rule of a schedule as callers write it, and the JSON text that the database keeps of it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError, from_json, to_json

from tidewheel_common.core.dst import Dst
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Duration, Strict
from tidewheel_common.core.misfire import MOST_CAUGHT_UP
from tidewheel_common.core.recurrence import LONGEST, SHORTEST, Recurrence
from tidewheel_common.core.rule import Rule, read_recurrence, read_rule

Every = Annotated[float, Field(strict=True, ge=SHORTEST, le=LONGEST, allow_inf_nan=False)]

Cron = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200)]

Zone = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64)]

OverlapWord = Literal["allow", "skip", "queue_one", "cancel_running"]

MaxFires = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]

Jitter = Annotated[float, Field(strict=True, ge=0, le=86400, allow_inf_nan=False)]

_MOST_SPECS: Final = 20
_DAY_TEXT: Final = 10


def _read_day(value: object) -> str:
    try:
        if isinstance(value, str) and len(value) == _DAY_TEXT:
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise PydanticCustomError("day_format", "Write the day as in RFC 3339, such as 2026-12-25")


Day = Annotated[str, PlainValidator(_read_day), WithJsonSchema({"type": "string", "format": "date"})]


class SolarChoice(Strict):
    """An event of the sun at a place."""

    event: Literal[
        "dawn_astronomical",
        "dawn_nautical",
        "dawn_civil",
        "sunrise",
        "solar_noon",
        "sunset",
        "dusk_civil",
        "dusk_nautical",
        "dusk_astronomical",
    ]
    latitude: Annotated[float, Field(strict=True, ge=-90, le=90)] = Field(description="Degrees north.")
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180)] = Field(description="Degrees east.")


class Spec(Strict):
    """One of the rules of a schedule: exactly one of its fields."""

    every: Every | None = None
    cron: Cron | None = None
    rrule: Cron | None = Field(
        None,
        description="RFC 5545, of FREQ=DAILY to YEARLY. It starts at `starts_at`, whose time of day counts where it "
        "has no BYHOUR; COUNT and UNTIL are `max_fires` and `ends_at`.",
        examples=["FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0"],
    )
    solar: SolarChoice | None = None


class DstChoice(Strict):
    """What happens at clock changes. Null: by the kind of the rule.

    A fixed time then shifts in a gap and fires once in an overlap; intervals and wildcards follow elapsed time.
    """

    gap: Literal["shift", "skip"] | None = None
    overlap: Literal["first", "second", "both"] | None = None


class DayRange(Strict):
    """From one day to another, both included."""

    first: Day
    last: Day


class Exclusion(Strict):
    """Days on which the schedule does not fire, in its zone; with a name, a holiday calendar."""

    name: Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,100}$")] | None = None
    dates: Annotated[tuple[Day, ...], Field(max_length=1000)] = ()
    ranges: Annotated[tuple[DayRange, ...], Field(max_length=100)] = ()


class MisfireChoice(Strict):
    """What becomes of times that the scheduler could not take on time."""

    policy: Literal["latest", "skip", "all"] = "latest"
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_CAUGHT_UP)] = Field(
        100, description="How many due times fire at once, under `skip` and `all`."
    )
    grace: Duration | None = Field(
        None, description="Seconds after which a time is missed. Null: never, or a minute under `skip`."
    )


Specs = Annotated[tuple[Spec, ...], Field(min_length=1, max_length=_MOST_SPECS)]

Exclusions = Annotated[tuple[Exclusion, ...], Field(max_length=20)]

KEPT: Final = ("specs", "dst", "exclusions", "ends_at", "max_fires", "jitter", "misfire", "expires_after")
"""The fields that stand in the rule's JSON text; the others are columns."""

RULE_DEFAULTS: Final[dict[str, Any]] = {
    "specs": None,
    "dst": DstChoice().model_dump(),
    "exclusions": [],
    "ends_at": None,
    "max_fires": None,
    "jitter": 0.0,
    "expires_after": None,
    "misfire": MisfireChoice().model_dump(),
}


def write_rule(before: str, given: Mapping[str, Any]) -> str:
    """Return the rule's JSON text after some of its fields were given; a field that is null is none.

    Args:
        before: the text as it was.
        given: fields by name, in the shape of the models above.
    """
    parts: dict[str, Any] = from_json(before)
    for name in KEPT:
        if name in given:
            parts[name] = _plain(given[name])
    return to_json({name: value for name, value in parts.items() if value is not None}).decode()


def check_rule(
    *, every: float | None, cron: str | None, timezone: str, starts_at: datetime, rule: str
) -> Rule | list[Fault]:
    """Read a rule, or say which field no clock can follow."""
    parts: dict[str, Any] = from_json(rule)
    specs: list[dict[str, Any]] | None = parts.get("specs")
    if (every is not None) + (cron is not None) + (specs is not None) != 1:
        return [Fault(code="one_rule", pointer="/cron", detail="Give `every`, `cron` or `specs`: exactly one of them.")]
    try:
        # The zone first and alone, to know which field to blame.
        Recurrence(anchor=starts_at, every=1.0, timezone=timezone)
    except InvalidSchedule as error:
        return [Fault(code="unknown_timezone", pointer="/timezone", detail=str(error))]
    faults = [
        *_spec_faults(specs or [{"every": every, "cron": cron}], timezone, starts_at, listed=specs is not None),
        *_range_faults(parts.get("exclusions") or []),
    ]
    ends_at = parts.get("ends_at")
    if ends_at is not None and datetime.fromisoformat(ends_at) < starts_at:
        faults.append(Fault(code="ends_too_early", pointer="/ends_at", detail="It ends before it starts."))
    if faults:
        return faults
    try:
        return read_rule(every=every, cron=cron, timezone=timezone, starts_at=starts_at, rule=rule)
    except InvalidSchedule as error:
        return [Fault(code="invalid_cron", pointer="/dst", detail=str(error))]


def _spec_faults(specs: list[dict[str, Any]], timezone: str, starts_at: datetime, *, listed: bool) -> list[Fault]:
    faults: list[Fault] = []
    for place, spec in enumerate(specs):
        pointer = f"/specs/{place}" if listed else ""
        kinds = [kind for kind in Spec.model_fields if spec.get(kind) is not None]
        if len(kinds) != 1:
            detail = "Give one of `every`, `cron`, `rrule` and `solar`, and not more."
            faults.append(Fault(code="one_rule", pointer=pointer, detail=detail))
            continue
        try:
            read_recurrence(spec, timezone=timezone, starts_at=starts_at, dst=Dst())
        except InvalidSchedule as error:
            faults.append(Fault(code=f"invalid_{kinds[0]}", pointer=f"{pointer}/{kinds[0]}", detail=str(error)))
    return faults


def _range_faults(exclusions: list[dict[str, Any]]) -> list[Fault]:
    return [
        Fault(
            code="ends_too_early",
            pointer=f"/exclusions/{place}/ranges/{number}/last",
            detail="The last day is before the first.",
        )
        for place, exclusion in enumerate(exclusions)
        for number, days in enumerate(exclusion.get("ranges") or ())
        if days["last"] < days["first"]
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value
