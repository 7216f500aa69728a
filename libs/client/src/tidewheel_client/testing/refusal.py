"""What the fake refuses, in the words of the service."""

from collections.abc import Sequence
from typing import Any

from tidewheel_common.core.fault import Fault


class Refusal(Exception):
    """A call that is refused with a problem (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.problem: dict[str, Any] = {
            "type": f"urn:tidewheel:problem:{code}",
            "title": code.replace("_", " ").capitalize(),
            "status": status,
            "detail": detail,
            "code": code,
            "errors": [fault.as_json() for fault in faults],
        }


def invalid(faults: Sequence[Fault]) -> Refusal:
    """Refuse a request for its faults."""
    return Refusal(422, "invalid_request", "Fields are not as they must be; see `errors`.", faults=faults)


def not_found() -> Refusal:
    """Refuse an address that leads nowhere."""
    return Refusal(404, "not_found", "Nothing of yours is at this address. Check the path and the id.")
