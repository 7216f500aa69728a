"""What a `schedules.yaml` may say. The fields of an entry are those of `POST /v1/schedules`, with the same defaults.

But for `notify`: the service does not show the addresses of webhooks again, so no plan could compare them. Rules tell.

A test holds them against the gateway's own model. Whether a clock can follow a rule is asked of the gateway.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Queue = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Handler = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.:-]{1,200}$")]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
Owner = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Priority = Literal["high", "medium", "low"]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True)]


class Part(BaseModel):
    """A part of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Solar(Part):
    """An event of the sun at a place."""

    event: Text
    latitude: float
    longitude: float


class Spec(Part):
    """One of several rules."""

    every: Seconds | None = None
    cron: Text | None = None
    rrule: Text | None = None
    solar: Solar | None = None


class Dst(Part):
    """What happens at clock changes."""

    gap: Literal["shift", "skip"] | None = None
    overlap: Literal["first", "second", "both"] | None = None


class DayRange(Part):
    """From one day to another, both included."""

    first: Text
    last: Text


class Exclusion(Part):
    """Days on which nothing fires."""

    name: Text | None = None
    dates: tuple[Text, ...] = ()
    ranges: tuple[DayRange, ...] = ()


class Misfire(Part):
    """What becomes of times that the scheduler could not take on time."""

    policy: Literal["latest", "skip", "all"] = "latest"
    limit: Annotated[int, Field(strict=True, ge=1)] = 100
    grace: Seconds | None = None


class Backoff(Part):
    """How far apart a failing task is tried."""

    initial: Seconds = 2.0
    factor: Annotated[float, Field(strict=True, ge=1)] = 2.0
    max: Seconds = 3600.0
    jitter: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.1


class Entry(Part):
    """A schedule of the file.

    Attributes:
        paused: whether it is; left out, a pause by a person stays as it is.
    """

    handler: Handler
    payload: dict[str, Any] = Field(default_factory=dict)
    queue: Queue = "default"
    priority: Priority = "medium"
    every: Seconds | None = None
    cron: Text | None = None
    specs: Annotated[tuple[Spec, ...], Field(min_length=1)] | None = None
    timezone: Text = "UTC"
    dst: Dst = Dst()
    exclusions: tuple[Exclusion, ...] = ()
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    max_fires: Annotated[int, Field(strict=True, ge=1)] | None = None
    jitter: Seconds = 0.0
    misfire: Misfire = Misfire()
    expires_after: Annotated[float, Field(strict=True, gt=0)] | None = None
    overlap: Literal["allow", "skip", "queue_one", "cancel_running"] = "allow"
    max_attempts: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5
    timeout: Annotated[float, Field(strict=True, gt=0)] | None = None
    backoff: Backoff | None = None
    removal_delay: Seconds = 86400.0
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    tags: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    paused: bool | None = Field(None, strict=True)

    def body(self) -> dict[str, Any]:
        """Return it as the API takes it; a start that the file leaves open is left to the service."""
        fields = self.model_dump(mode="json", exclude={"paused"})
        if self.starts_at is None:
            del fields["starts_at"]
        return fields


class Route(Part):
    """Where tasks go whose handler matches a pattern such as `backups.*`; the first route that matches counts."""

    handler: Text
    queue: Queue | None = None
    priority: Priority | None = None


class Outline(Part):
    """The file before its defaults and routes are applied to its entries.

    Attributes:
        managed_by: whose schedules these are; no other file and no other schedule is touched.
        definitions: anything; a place for YAML anchors, such as the holidays of a country.
    """

    managed_by: Owner
    definitions: Any = None
    defaults: dict[str, Any] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    schedules: dict[Name, dict[str, Any]]


RULE: Final = ("every", "cron", "specs", "timezone", "dst", "exclusions", "starts_at", "ends_at")
"""The fields that say when a schedule fires."""
