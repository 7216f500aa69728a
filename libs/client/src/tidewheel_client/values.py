"""What callers may pass for a time, a duration, an id or a payload, and how it goes over the wire."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python


class HasId(Protocol):
    """Whatever was read or submitted: a task, a handle, an item of a batch, a schedule."""

    @property
    def id(self) -> UUID | None:
        """Its id; an item that was refused has none."""
        ...


Id = UUID | str | HasId

Duration = float | timedelta
"""Seconds, or a timedelta."""

Instant = datetime | str
"""A datetime with a zone, or RFC 3339 text with an offset."""

Payload = Mapping[str, Any] | BaseModel | None
"""The handler's keyword arguments: a mapping or a pydantic model; whatever pydantic can write as JSON may be in it."""

_CARRIED: Final = "payload"


def wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body or a query as plain JSON values.

    Raises:
        ValueError: a datetime has no zone, so nobody knows which moment it means.
    """
    return {name: to_jsonable_python(each) if name == _CARRIED else plain(each) for name, each in fields.items()}


def plain(value: Any) -> Any:
    """Return a value as a plain JSON value: durations as seconds, times in RFC 3339, ids as text.

    Raises:
        ValueError: a datetime has no zone.
    """
    match value:
        case datetime() if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; give it one, such as datetime(…, tzinfo=UTC).")
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case BaseModel() if hasattr(value, "id"):
            return id_text(value)
        case _:
            return to_jsonable_python(value, timedelta_mode="float", fallback=id_text)


def id_text(value: Any) -> str:
    """Return an id, or the id of a thing, as text.

    Raises:
        ValueError: the thing has none.
    """
    found = value if isinstance(value, str | UUID) else getattr(value, "id", None)
    if found is None:
        raise ValueError(f"{value!r} has no id: it was refused, or it is nothing that Tidewheel knows.")
    return str(found)


def path_of(value: Id) -> str:
    """Return an id as a part of a path."""
    return quote(id_text(value), safe="")


def encode(document: object) -> bytes:
    """Return a document of plain values as JSON."""
    return to_json(document)


def decode(text: bytes) -> Any:
    """Return the document in a JSON text.

    Raises:
        ValueError: it is none.
    """
    return json.loads(text)
