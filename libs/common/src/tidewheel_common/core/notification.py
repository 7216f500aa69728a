"""Who is to be told of what: the fields of a submission and of a tenant's rule."""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError, to_json

from tidewheel_common.core.fields import Strict, Timeout
from tidewheel_common.core.notice import Event

MOST: Final = 10
"""How many notifications one task may ask for."""

_SECRET_BYTES: Final = range(24, 65)
_PREFIX: Final = "whsec_"


def _read_secret(value: object) -> str:
    try:
        if isinstance(value, str) and value.startswith(_PREFIX):
            length = len(base64.b64decode(value.removeprefix(_PREFIX), validate=True))
            if length in _SECRET_BYTES:
                return value
    except (binascii.Error, ValueError):
        pass
    raise PydanticCustomError("webhook_secret", "Write whsec_ and 24 to 64 random bytes in base64")


Secret = Annotated[
    str, PlainValidator(_read_secret), WithJsonSchema({"type": "string", "pattern": "^whsec_", "writeOnly": True})
]

MailAddress = Annotated[
    str, StringConstraints(strict=True, pattern=r'^[^@\s<>,;:"\\()\[\]]{1,64}@[^@\s<>,;:"\\()\[\]]{1,253}$')
]

Url = Annotated[str, StringConstraints(strict=True, pattern=r"^https?://[^\s@]{1,2000}$")]


class Target(Strict):
    """Whom to tell: exactly one of `email`, `slack` and `webhook`."""

    email: MailAddress | None = None
    slack: Url | None = Field(None, description="The address of an incoming webhook of Slack.")
    webhook: Url | None = Field(None, description="Gets a POST that is signed by Standard Webhooks.")
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1, max_length=3)] | None = Field(
        None, description="What a webhook is signed with. To change it, sign with the new and the old one for a while."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.email is not None) + (self.slack is not None) + (self.webhook is not None) != 1:
            raise PydanticCustomError("one_target", "Give exactly one of `email`, `slack` and `webhook`")
        if (self.webhook is None) != (self.secrets is None):
            raise PydanticCustomError("webhook_secret", "A webhook needs `secrets` to be signed with, and nothing else")
        return self

    @property
    def kind(self) -> Literal["email", "slack", "webhook"]:
        """Which of the three it is."""
        if self.email is not None:
            return "email"
        return "slack" if self.slack is not None else "webhook"

    @property
    def call(self) -> dict[str, Any]:
        """The handler that tells it, with the arguments that this takes besides the news."""
        match self.kind:
            case "email":
                arguments: dict[str, Any] = {"to": self.email}
            case "slack":
                arguments = {"url": self.slack}
            case "webhook":
                arguments = {"url": self.webhook, "secrets": self.secrets}
        return {"handler": f"notify.{self.kind}", "arguments": arguments}


LateAfter = Annotated[
    Timeout | None,
    Field(description="Seconds after its `run_at` at which a task is late that has not begun; only with `late`."),
]


def check_late(on: Iterable[str], late_after: float | None) -> None:
    """Check that only who wants to be told of what is late says when it is.

    Raises:
        PydanticCustomError: it is not so.
    """
    if late_after is not None and Event.LATE not in on:
        raise PydanticCustomError("late_after", "`late_after` needs `late` in `on`")


class Notification(Target):
    """Whom to tell of the task."""

    on: Annotated[tuple[Literal["complete", "dead", "late"], ...], Field(min_length=1, max_length=3)]
    late_after: LateAfter = None

    @model_validator(mode="after")
    def _check_late(self) -> Self:
        check_late(self.on, self.late_after)
        if Event.LATE in self.on and self.late_after is None:
            raise PydanticCustomError("late_after", "`late` needs `late_after`, the seconds after which it is")
        return self


class ScheduleNotification(Target):
    """Whom to tell of the tasks of a schedule, and of its times that were late or missed."""

    on: Annotated[tuple[Literal["complete", "dead", "late", "missed"], ...], Field(min_length=1, max_length=4)]
    late_after: LateAfter = None

    @model_validator(mode="after")
    def _check_late(self) -> Self:
        check_late(self.on, self.late_after)
        return self


_TOLD: Final = 'Such as `{"on": ["dead"], "email": "ops@example.com"}`.'

Notifications = Annotated[tuple[Notification, ...], Field(max_length=MOST, description=_TOLD)]

ScheduleNotifications = Annotated[
    tuple[ScheduleNotification, ...],
    Field(
        max_length=MOST,
        description=f"{_TOLD} `complete` and `dead` are said of its tasks, `missed` of its times, and `late` of its "
        "times and, with `late_after`, of its tasks.",
    ),
]

AnyNotification = Notification | ScheduleNotification


def note(notifications: Iterable[AnyNotification]) -> bytes:
    """Return what is kept, sealed, of who wants to be told."""
    targets = [{"on": each.on, "late_after": each.late_after, **each.call} for each in notifications]
    return to_json({"targets": targets})


def soonest(notifications: Iterable[AnyNotification]) -> float | None:
    """Return after how many seconds somebody wants to know first that a task is late; None when nobody does."""
    return min((each.late_after for each in notifications if each.late_after is not None), default=None)
