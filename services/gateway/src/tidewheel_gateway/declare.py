"""What the routes say of themselves in OpenAPI."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from tidewheel_gateway.idempotency import HEADER, LONGEST
from tidewheel_gateway.problems import MEDIA_TYPE

Extra = dict[str, Any]

_WORDS: Final = {
    400: "The request cannot be read.",
    401: "No valid API key.",
    403: "The key is not the operator's.",
    404: "Nothing of the caller's is at this address.",
    409: "The state of things does not allow it.",
    412: "It is not what `If-Match` says any more.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "Fields are not as they must be; nothing was stored.",
    429: "Tasks of this tenant come faster than they may; try again after `Retry-After` seconds.",
    500: "A fault of ours.",
    503: "The database is away, or too much is waiting; try again.",
}

_ALWAYS: Final = (401, 500, 503)

_WITH_BODY: Final = (400, 413, 415, 422)

IDEMPOTENCY: Final[Extra] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Repeating a request with the same key does nothing twice and gives the same answer. Kept 48 h.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[ -~]+$"},
}


IF_MATCH: Final[Extra] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the schedule that was read; when it was changed meanwhile, nothing is done (412).",
    "schema": {"type": "string"},
}


class DirectRoute(APIRoute):
    """Is found by its method and path alone, and called with the request and nothing else: for the busiest calls.

    FastAPI only documents it; `layers.Direct` calls it.
    """


def router(tag: str, *, direct: bool = False) -> APIRouter:
    """Return a router whose calls stand under a tag."""
    return APIRouter(
        tags=[tag],
        route_class=DirectRoute if direct else APIRoute,
        generate_unique_id_function=lambda route: route.name,
    )


def answers(*refusals: int, body: bool = False) -> dict[int | str, Extra]:
    """Return the refusals of a call, besides those that every call has.

    Args:
        refusals: statuses.
        body: whether the call takes a body.
    """
    statuses = sorted({*refusals, *_ALWAYS, *(_WITH_BODY if body else ())})
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": _WORDS[status], "content": {MEDIA_TYPE: schema}} for status in statuses}


def takes(model: str | None = None, *, keyed: bool = False, matched: bool = False, required: bool = True) -> Extra:
    """Return the declaration of a body, which the route reads by itself, and of headers."""
    extra: Extra = {}
    if model is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}
        extra["requestBody"] = {"required": required, "content": content}
    if headers := [*([IDEMPOTENCY] if keyed else []), *([IF_MATCH] if matched else [])]:
        extra["parameters"] = headers
    return extra


def tagged() -> Extra:
    """Return the headers of an answer that shows a schedule."""
    return {"ETag": {"description": "Send it as `If-Match` with a change.", "schema": {"type": "string"}}}


def located(what: str) -> Extra:
    """Return the headers of an answer that made something."""
    text = {"type": "string"}
    return {
        "Location": {"description": f"Where the {what} is.", "schema": text},
        "Idempotency-Replayed": {
            "description": "`true` when this is the answer to an earlier request.",
            "schema": text,
        },
    }
