"""Refusals: what a caller is told when a call cannot be served (RFC 9457, `application/problem+json`).

Every code stands in `CATALOG` with its status and title; `type` is a URN made from the code, so that a program can tell
refusals apart without reading sentences. No refusal repeats what the caller sent, other than the names of fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from tidewheel_common.core.fault import MOST_FAULTS, Fault

MEDIA_TYPE: Final = "application/problem+json"

RETRY_SOON: Final = {"Retry-After": "1"}
"""Seconds after which a call that met an overloaded or absent database is worth repeating."""

CATALOG: Final[Mapping[str, tuple[int, str]]] = {
    "invalid_json": (400, "The body is not JSON"),
    "invalid_header": (400, "A header is not well formed"),
    "invalid_cursor": (400, "The cursor does not fit"),
    "incomplete_body": (400, "The body ended too early"),
    "unauthorized": (401, "No valid API key"),
    "operators_only": (403, "Only the operator may do this"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "body_too_slow": (408, "The body came too slowly"),
    "idempotency_in_flight": (409, "The same key is being processed"),
    "not_editable": (409, "The task cannot be changed any more"),
    "not_final": (409, "The task is not final"),
    "already_final": (409, "The task is already final"),
    "not_redrivable": (409, "The task cannot be redriven"),
    "unique_key_taken": (409, "Another task has the unique key"),
    "name_taken": (409, "The name is taken"),
    "nothing_to_skip": (409, "There is no next time to skip"),
    "changed_meanwhile": (412, "It was changed meanwhile"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "Unsupported media type"),
    "invalid_request": (422, "The request is not valid"),
    "idempotency_key_reused": (422, "The key was used for another request"),
    "too_many_tasks": (429, "Too many tasks of one tenant"),
    "internal_error": (500, "Internal error"),
    "unavailable": (503, "The database cannot be reached"),
    "overloaded": (503, "Too much at once"),
}
"""Each code with its HTTP status and its title."""


class Problem(Exception):
    """A call that is refused. Raised anywhere under a route, turned into an answer at the edge.

    Args:
        code: a key of `CATALOG`.
        detail: a sentence: what is wrong, and what to do.
        faults: the fields that are wrong.
        headers: sent with the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.status, self.title = CATALOG[code]

    def as_json(self) -> dict[str, Any]:
        """Return the problem without the request's id: as it stands in a batch's results."""
        return {
            "type": f"urn:tidewheel:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [fault.as_json() for fault in self.faults[:MOST_FAULTS]],
        }

    def response(self, request_id: str) -> Response:
        """Return the answer to the request with this id."""
        body = to_json({**self.as_json(), "request_id": request_id})
        return Response(body, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found() -> Problem:
    """Refuse an address that leads nowhere; the same words for a bad id, an unknown one and another tenant's."""
    return Problem("not_found", "Nothing of yours is at this address. Check the path and the id.")


def invalid(faults: Sequence[Fault]) -> Problem:
    """Refuse a request for its faults."""
    count = len(faults)
    what = "One field is not as it" if count == 1 else f"{count} fields are not as they"
    return Problem("invalid_request", f"{what} must be; see `errors`.", faults=faults)


def unavailable() -> Problem:
    """Refuse because PostgreSQL is away; what was asked for may or may not have been done."""
    return Problem(
        "unavailable",
        "The database cannot be reached right now. Try again; with the same Idempotency-Key nothing is accepted twice.",
        headers=RETRY_SOON,
    )


def method_not_allowed(allowed: Iterable[str]) -> Problem:
    """Refuse a wrong method, and name every method that the address knows."""
    headers = {"Allow": ", ".join(sorted(allowed))}
    return Problem("method_not_allowed", "This address does not know the method; see `Allow`.", headers=headers)


def from_status(status: int) -> Problem:
    """Turn a refusal of the framework into one of ours."""
    match status:
        case HTTPStatus.NOT_FOUND:
            return not_found()
        case _ if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem("incomplete_body", "The request cannot be read.")
        case _:
            return internal()


def internal() -> Problem:
    """Refuse because of a fault of ours."""
    return Problem("internal_error", "Something went wrong on our side. Give the request_id when you report it.")
