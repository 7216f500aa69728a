"""Who is told of a task or a schedule, as callers see it: never what opens a door."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

Json = dict[str, Any]


class Told(BaseModel):
    """Somebody who wants to be told. Addresses of webhooks may be secrets: only their hosts are shown."""

    on: list[Literal["complete", "dead", "late", "missed"]]
    late_after: float | None = Field(description="Seconds after which a task that has not begun is `late`.")
    kind: Literal["email", "slack", "webhook"]
    email: str | None
    host: str | None = Field(description="Of a webhook, also of Slack's.")


def told(note: Mapping[str, Any]) -> list[Json]:
    """Return who is told, from what is kept of it once it is opened."""
    return [_shown(target) for target in note.get("targets", ())]


def _shown(target: Mapping[str, Any]) -> Json:
    arguments = target["arguments"]
    return {
        "on": target["on"],
        "late_after": target.get("late_after"),
        "kind": target["handler"].removeprefix("notify."),
        "email": arguments.get("to"),
        "host": urlsplit(arguments["url"]).netloc if "url" in arguments else None,
    }
