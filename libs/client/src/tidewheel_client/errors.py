"""What a call to Tidewheel may fail with.

ClientError
├── Unreachable     no answer came: the service is down, or the address is wrong
└── ApiError        the service refused: `status`, `code`, `detail`, `request_id`
"""

from typing import Any


class ClientError(Exception):
    """A call to Tidewheel failed."""


class Unreachable(ClientError):
    """No answer came."""


class ApiError(ClientError):
    """The service answered with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code: str = problem.get("code", "unknown")
        self.detail: str = problem.get("detail", problem.get("title", "no detail"))
        self.request_id: str | None = problem.get("request_id")
        self.errors: list[dict[str, Any]] = problem.get("errors", [])
        pointers = "; ".join(f"{error.get('pointer', '')}: {error.get('detail', '')}" for error in self.errors)
        super().__init__(f"{status} {self.code}: {self.detail}" + (f" ({pointers})" if pointers else ""))
