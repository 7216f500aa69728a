"""What a call to Tidewheel may fail with.

ClientError
├── NotConfigured    the address or the key is missing
├── Unreachable      no answer came: the service is down, or the address is wrong
├── UnexpectedAnswer what answered does not speak Tidewheel's API: a proxy, or an older service
├── StillRunning     the task was not final when the time to wait for it was over (also a TimeoutError)
├── TaskFailed       its result was asked for, and it ended without one: `task`
└── ApiError         the service refused: `status`, `code`, `detail`, `request_id`, `errors`
    ├── BadRequest 400 · Unauthorized 401 · Forbidden 403 · NotFound 404 · Conflict 409
    ├── ChangedMeanwhile 412 · InvalidRequest 422 · TooManyRequests 429
    └── ServiceFailed    5xx
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tidewheel_client.models import Task


class ClientError(Exception):
    """A call to Tidewheel failed."""


class NotConfigured(ClientError):
    """The client does not know whom to call."""


class Unreachable(ClientError):
    """No answer came."""


class UnexpectedAnswer(ClientError):
    """The answer is not one of Tidewheel's."""


class StillRunning(ClientError, TimeoutError):
    """The task was not final in time; it goes on. `task` is how it was seen last."""

    def __init__(self, task: "Task") -> None:
        self.task = task
        super().__init__(f"The task {task.id} is still `{task.state}`; it goes on, and can be waited for again.")


class TaskFailed(ClientError):
    """The task ended without a result; `task` says how."""

    def __init__(self, task: "Task") -> None:
        self.task = task
        why = task.error or task.reason or "no reason is known"
        super().__init__(f"The task {task.id} ({task.handler}) ended `{task.state}`: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with a request.

    Attributes:
        code: what kind of fault, for programs.
        detail: a sentence.
        pointer: the field of the body, as a JSON pointer (RFC 6901).
        parameter: the query parameter, when it is one.
    """

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None

    @property
    def field(self) -> str:
        """The field or the parameter that is wrong."""
        return self.parameter or self.pointer or ""


class ApiError(ClientError):
    """The service answered with a problem (RFC 9457).

    Attributes:
        status: the HTTP status.
        code: names the problem, for programs.
        detail: a sentence.
        request_id: find the call in the service's log with it.
        errors: the fields that are wrong.
        retry_after: seconds after which the service wants to be asked again.
    """

    def __init__(
        self, status: int, problem: dict[str, Any], *, request_id: str | None = None, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.code: str = problem.get("code", "unknown")
        self.detail: str = problem.get("detail", problem.get("title", "no detail"))
        self.request_id: str | None = problem.get("request_id", request_id)
        self.errors = tuple(_field_error(each) for each in problem.get("errors", ()))
        self.retry_after = retry_after
        places = "; ".join(f"{error.field}: {error.detail}" for error in self.errors)
        request = f" [request {self.request_id}]" if self.request_id else ""
        super().__init__(f"{status} {self.code}: {self.detail}" + (f" ({places})" if places else "") + request)


class BadRequest(ApiError):
    """400: the request cannot be read."""


class Unauthorized(ApiError):
    """401: no valid API key."""


class Forbidden(ApiError):
    """403: the key may not do this."""


class NotFound(ApiError):
    """404: nothing of yours is there; it may have been removed."""


class Conflict(ApiError):
    """409: the state of things does not allow it; `code` says which state."""


class ChangedMeanwhile(ApiError):
    """412: somebody has changed it since it was read."""


class InvalidRequest(ApiError):
    """422: fields are not as they must be; see `errors`."""


class TooManyRequests(ApiError):
    """429: too many calls."""


class ServiceFailed(ApiError):
    """5xx: the service, or its database, could not do it."""


_KINDS: Final[dict[int, type[ApiError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: ChangedMeanwhile,
    422: InvalidRequest,
    429: TooManyRequests,
}


def api_error(
    status: int, problem: dict[str, Any], *, request_id: str | None = None, retry_after: float | None = None
) -> ApiError:
    """Return the error for a refusal."""
    fallback = ServiceFailed if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    return _KINDS.get(status, fallback)(status, problem, request_id=request_id, retry_after=retry_after)


def _field_error(given: dict[str, Any]) -> FieldError:
    return FieldError(
        code=given.get("code", "unknown"),
        detail=given.get("detail", ""),
        pointer=given.get("pointer"),
        parameter=given.get("parameter"),
    )
