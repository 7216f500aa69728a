"""Holds a document against its model, and says in sentences which fields are wrong."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from tidewheel_common.core.errors import TidewheelError
from tidewheel_common.core.fault import MOST_FAULTS, Fault

LARGEST_PAYLOAD: Final = 256 * 1024
"""Bytes of compact JSON."""

_PLAINER: Final = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
    "dict_type": "It must be a JSON object.",
    "model_type": "It must be a JSON object.",
    "tuple_type": "It must be a list.",
    "list_type": "It must be a list.",
}

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Model = TypeVar("Model", bound=BaseModel)


class NotJson(TidewheelError):
    """What was sent cannot be written as JSON again."""


def validate(model: type[Model], document: object, *, pointer: str = "", nul: bool) -> Model | list[Fault]:
    """Return the document as its model, or what is wrong with it.

    Args:
        model: what it must be.
        document: as it was parsed.
        pointer: where in the body it stands.
        nul: whether the body may hold NUL characters.
    """
    if nul and (faults := nul_faults(document, pointer)):
        return faults
    try:
        return model.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        return [_fault(detail, pointer) for detail in details[:MOST_FAULTS] if not _follows(detail, details)]


def encode_payload(payload: dict[str, Any], *, pointer: str = "") -> bytes | list[Fault]:
    """Return a payload as compact JSON, or the fault of one that is too large.

    Raises:
        NotJson: a number in it has no JSON form (`1e400`).
    """
    try:
        encoded = _ENCODER.encode(payload).encode()
    except ValueError:
        raise NotJson("A number in the payload is too large to be read back.") from None
    if len(encoded) <= LARGEST_PAYLOAD:
        return encoded
    detail = f"The payload has {len(encoded)} bytes as JSON; at most {LARGEST_PAYLOAD} are taken."
    return [Fault(code="payload_too_large", pointer=f"{pointer}/payload", detail=detail)]


def sentence(detail: ErrorDetails) -> str:
    """Return what pydantic has to say, as a sentence."""
    return _PLAINER.get(detail["type"]) or f"{detail['msg'].rstrip('.')}."


def _fault(detail: ErrorDetails, pointer: str) -> Fault:
    place = "".join(f"/{escape(str(part))}" for part in detail["loc"])
    return Fault(code=detail["type"], pointer=f"{pointer}{place}", detail=sentence(detail))


def patch_config(example: dict[str, Any], *, clearable: Collection[str]) -> ConfigDict:
    """Return the configuration of a patch's model: its schema takes a null only where one clears the field."""

    def say(schema: dict[str, Any]) -> None:
        for name, field in schema["properties"].items():
            field.pop("default", None)
            if name not in clearable:
                _never_null(field)
        schema["examples"] = [example]

    return ConfigDict(json_schema_extra=say)


def _never_null(field: dict[str, Any]) -> None:
    kinds = [kind for kind in field.pop("anyOf") if kind != {"type": "null"}]
    field |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because pydantic has left out what is wrong in it."""
    if detail["type"] != "too_short":
        return False
    place = detail["loc"]
    return any(len(each["loc"]) > len(place) and each["loc"][: len(place)] == place for each in details)


def given(patch: BaseModel, *, clearable: frozenset[str]) -> dict[str, Any] | list[Fault]:
    """Return the fields that a patch sets, or the faults of those that it may not clear with a null."""
    changes = {name: getattr(patch, name) for name in patch.model_fields_set}
    return [
        Fault(code="null_value", pointer=f"/{name}", detail="This field cannot be cleared; leave it out to keep it.")
        for name, value in changes.items()
        if value is None and name not in clearable
    ] or changes


def nul_faults(document: object, pointer: str) -> list[Fault]:
    """Return a fault for the first text in a document that has a NUL character, which PostgreSQL cannot store."""
    place = _find_nul(document, pointer)
    if place is None:
        return []
    return [Fault(code="nul_character", pointer=place, detail="A NUL character stands in this text or field name.")]


def _find_nul(document: object, pointer: str) -> str | None:
    match document:
        case str():
            return pointer if "\0" in document else None
        case dict():
            if any("\0" in key for key in document):
                return pointer
            found = (_find_nul(value, f"{pointer}/{escape(key)}") for key, value in document.items())
        case list():
            found = (_find_nul(value, f"{pointer}/{place}") for place, value in enumerate(document))
        case _:
            return None
    return next((place for place in found if place is not None), None)


def escape(name: str, *, longest: int = 100) -> str:
    """Return a field's name as a part of a JSON pointer (RFC 6901), cut to so many characters."""
    return name[:longest].replace("~", "~0").replace("/", "~1")
